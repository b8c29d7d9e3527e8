"""Every hash step of a proof, written out so that a person can follow it with a calculator for SHA-256."""
