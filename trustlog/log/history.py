"""What the ledger may know of the past: the stored keys and entries, and those of the batch being judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trustlog.errors import TrustlogError
from trustlog.log.proving import Prover
from trustlog.records.candidate import Candidate, read_logged
from trustlog.records.history import HELD
from trustlog.records.ledger import Held, Ledger, Row
from trustlog.storage.key_cache import read_key_cache, write_key_cache
from trustlog.storage.log_reader import LogReader, StoredEntry


class StoredHistory:
    """The history of the committing thread: what is stored, and, until :meth:`keep` or :meth:`forget`, what a batch adds."""

    def __init__(self, reader: LogReader, size: int, cache: Path) -> None:
        """The history of the stored tree of `size` leaves; `cache` is where :meth:`save` may have left its keys."""
        self._reader = reader
        self._cache = cache
        self._keys: dict[bytes, Held] = {}
        self._entries: dict[int, bytes] = {}
        self._stored, self.saved_to = read_key_cache(cache, lambda at: _root_at(reader, at, size))
        for row in reader.all_keys(self.saved_to):
            self._stored.load(*row)

    def save(self, size: int, root: bytes) -> None:
        """Spare the next start the reading of all keys: those of the tree of `size` leaves with `root`. Raises StorageFailed."""
        write_key_cache(self._cache, self._stored, size, root)
        self.saved_to = size

    def held(self, key: bytes) -> Held | None:
        """What `key` (32 bytes) holds, and since which index."""
        held = self._keys.get(key)
        return self._confirm(key) if held is None and self._stored.may_hold(key) else held

    def entry(self, index: int) -> bytes | None:
        """The entry at `index`."""
        return self._entries.get(index) or self._reader.entry(index)

    def add(self, index: int, entry: bytes, rows: Sequence[Row]) -> None:
        """Count an entry of the batch as logged, with the keys that it took, which nobody held."""
        self._entries[index] = entry
        for key, value in rows:
            self._keys.setdefault(key, Held(value, index))

    def keep(self) -> None:
        """The batch is stored."""
        for key, held in self._keys.items():
            self._stored.add(key, held.index)
        self.forget()

    def forget(self) -> None:
        """The batch is not stored."""
        self._keys = {}
        self._entries = {}

    def _confirm(self, key: bytes) -> Held | None:
        """The first entry that took `key`, if what the table found is not a coincidence."""
        for index in self._stored.find(key):
            for taken, value in self._reader.keys_at(index):
                if taken == key:
                    return Held(HELD if value is None else value, index)
        return None


def _root_at(reader: LogReader, at: int, size: int) -> bytes | None:
    try:
        return Prover(reader, size).root(at) if at <= size else None
    except TrustlogError:  # a damaged tile: whoever needs it is told
        return None


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
