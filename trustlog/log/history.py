"""What the ledger may know of the past: the stored keys and entries, and those of the batch being judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from trustlog.errors import TrustlogError
from trustlog.records.candidate import Candidate, read_logged
from trustlog.records.ledger import Held, Ledger
from trustlog.storage.log_reader import LogReader, StoredEntry


class StoredHistory:
    """The history of the committing thread. What it remembers during a batch it forgets at the end: by then it is stored."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._keys: dict[bytes, Held | None] = {}
        self._entries: dict[int, bytes] = {}

    def held(self, key: bytes) -> Held | None:
        """What `key` (32 bytes) holds, and since which index."""
        if key in self._keys:
            return self._keys[key]
        stored = self._reader.held([key]).get(key)
        return None if stored is None else Held(*stored)

    def entry(self, index: int) -> bytes | None:
        """The entry at `index`."""
        return self._entries.get(index) or self._reader.entry(index)

    def add(self, index: int, entry: bytes, keys: Sequence[tuple[bytes, bytes]]) -> None:
        """Count an entry of the batch as logged; a key that is held keeps its holder."""
        self._entries[index] = entry
        for key, value in keys:
            if self.held(key) is None:
                self._keys[key] = Held(value, index)

    @contextmanager
    def batch(self, candidates: Iterable[Candidate]) -> Iterator[None]:
        """For the time of one batch. What its candidates claim is looked up at once, here."""
        try:
            keys = [key for c in candidates for key in (c.identity, *(claim.key for claim in c.claims))]
            stored = self._reader.held(keys)
            self._keys = {key: Held(*stored[key]) if key in stored else None for key in keys}
            yield
        finally:
            self._keys = {}
            self._entries = {}


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
