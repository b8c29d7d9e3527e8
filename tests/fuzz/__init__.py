"""Fuzzing of the verifier's parsers. Nothing here imports `trustlog`."""
