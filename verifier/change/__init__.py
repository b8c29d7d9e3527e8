"""The judgment of one change: pure functions from a pack, pinned trust and a time to checks."""
