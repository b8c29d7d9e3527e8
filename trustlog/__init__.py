"""A transparency log, a gate and a store of evidence for changes that AI agents draft and people approve."""

__version__ = "0.1.0"
