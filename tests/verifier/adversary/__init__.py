"""Dishonest logs and dishonest evidence: README.md lists every attack and its test."""
