"""What the ledger may know of the past: the stored keys and entries, and those of the batch being judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from trustlog.errors import TrustlogError
from trustlog.records.candidate import Candidate, read_logged
from trustlog.records.ledger import Held, Ledger
from trustlog.storage.log_reader import LogReader, StoredEntry


class StoredHistory:
    """The history of the committing thread. What :meth:`add` adds is forgotten when its batch ends: by then it is stored."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._keys: dict[bytes, Held] = {}
        self._entries: dict[int, bytes] = {}

    def held(self, key: bytes) -> Held | None:
        """What `key` (32 bytes) holds, and since which index."""
        pending = self._keys.get(key)
        if pending is not None:
            return pending
        stored = self._reader.held(key)
        return None if stored is None else Held(*stored)

    def entry(self, index: int) -> bytes | None:
        """The entry at `index`."""
        return self._entries.get(index) or self._reader.entry(index)

    def add(self, index: int, entry: bytes, keys: Sequence[tuple[bytes, bytes]]) -> None:
        """Count an entry of the batch as logged."""
        self._entries[index] = entry
        for key, value in keys:
            if self._reader.held(key) is None:
                self._keys.setdefault(key, Held(value, index))

    @contextmanager
    def batch(self) -> Iterator[None]:
        """For the time of one batch."""
        try:
            yield
        finally:
            self._keys.clear()
            self._entries.clear()


def replay_governance(ledger: Ledger, reader: LogReader, *, origin: str, size: int) -> None:
    """Bring a new ledger to `size`: read again the few entries that decide on others, in order."""
    for index in reader.governance():
        stored = reader.stored(index) if index < size else None
        if stored is not None:
            ledger.replay(_read(stored, origin), index)


def _read(stored: StoredEntry, origin: str) -> Candidate:
    if stored.payload is None:
        raise TrustlogError("LOG_CORRUPT", f"the payload of entry {stored.index} is gone, and it may not be erased")
    return read_logged(stored.entry, stored.payload, origin=origin)
