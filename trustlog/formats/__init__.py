"""Bytes to objects and back, strictly: size bound, decode, encode again, compare. Pure."""
