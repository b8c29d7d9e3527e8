"""Independent offline verifier: evidence packs, log proofs, consistency and whole logs, from pinned keys alone."""
