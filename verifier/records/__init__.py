"""The payload kinds: closed schema, refs and conflict keys of each. `kinds.py` is the registry."""
