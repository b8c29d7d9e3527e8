"""``index.db``: which entries have which kind, refs, leaf hash and payload hash.

Derived from the entries, built again whenever it is absent or belongs to another log, and never an authority: whoever gets an
answer from it checks the entries named. Each answer says up to which index the index is complete.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.entry import REF_NAMES, parse_entry
from trustlog.merkle.hashing import hash_leaf
from trustlog.storage.connection import create_database, open_reader, open_writer, storage_errors, transaction
from trustlog.storage.log_reader import LogReader
from trustlog.storage.schema import INDEX

TERM_NAMES: Final = ("kind", "leaf_hash", "payload_hash", *REF_NAMES)
_BATCH: Final = 1024


class DerivedIndex:
    """The derived index: one thread follows, any thread searches. All methods raise StorageFailed."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._lock = threading.Lock()  # one connection, used by the follower and by searches
        self._complete_to = self._read_progress()[0]

    @classmethod
    def open(cls, path: Path, log: LogReader) -> Self:
        """Open the index of `log`; one that is absent, unreadable or of another log is replaced by an empty one."""
        if path.exists():
            try:
                index = cls(path, open_writer(path, durable=False))
                if index._belongs_to(log):
                    return index
                index.close()
            except Exception:  # noqa: BLE001, S110 - whatever is wrong with it, it is only derived
                pass
            for leftover in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
                leftover.unlink(missing_ok=True)
        create_database(path, INDEX)
        return cls(path, open_writer(path, durable=False))

    @classmethod
    def open_reader(cls, path: Path) -> Self:
        import time
        while True:
            try:
                index = cls(path, open_reader(path)); index._ro = True
                return index
            except Exception:
                time.sleep(0.05)

    @property
    def complete_to(self) -> int:
        """Every entry below this index can be found."""
        return self._read_progress()[0] if getattr(self, "_ro", False) else self._complete_to

    def follow(self, log: LogReader, size: int) -> int:
        """Take in at most some thousand entries below `size`; how far the index is complete then."""
        start, end = self._complete_to, min(size, self._complete_to + _BATCH)
        if start >= end:
            return start
        entries = log.entries(start, end)
        terms: list[tuple[str, str, int]] = []
        leaf = ""
        for index, data in enumerate(entries, start=start):
            entry = parse_entry(data)
            leaf = encode_b64u(hash_leaf(data))
            terms += (("kind", entry.kind, index), ("leaf_hash", leaf, index))
            terms.append(("payload_hash", encode_b64u(entry.payload_hash), index))
            terms += ((name, value, index) for name, value in entry.refs.items())
        terms.sort()
        with self._lock, storage_errors("extend index.db"), transaction(self._connection):
            self._connection.executemany("INSERT OR IGNORE INTO terms VALUES (?, ?, ?)", terms)
            self._connection.execute("UPDATE progress SET complete_to = ?, last_leaf = ?", (end, leaf))
        self._complete_to = end
        return end

    def search(self, terms: Mapping[str, str], start: int, end: int, limit: int) -> list[int]:
        """The first `limit` indexes in [start, end) of entries that have all of `terms` (at least one)."""
        if not terms or not set(terms) <= set(TERM_NAMES):
            raise AssertionError("terms have registered names")
        joins = "".join(
            f" JOIN terms t{n} ON t{n}.name = ? AND t{n}.value = ? AND t{n}.idx = t0.idx" for n in range(1, len(terms))
        )
        first, *others = sorted(terms.items(), key=lambda term: term[0] == "kind")  # a kind is the least selective
        sql = (
            f"SELECT t0.idx FROM terms t0{joins} WHERE t0.name = ? AND t0.value = ?"  # noqa: S608 - only placeholders
            " AND t0.idx >= ? AND t0.idx < ? ORDER BY t0.idx LIMIT ?"
        )
        parameters = [part for term in (*others, first) for part in term]
        with self._lock, storage_errors("search index.db"):
            return [row[0] for row in self._connection.execute(sql, (*parameters, start, end, limit))]

    def close(self) -> None:
        """Let go of the database."""
        with self._lock, storage_errors("close index.db"):
            self._connection.close()

    def _read_progress(self) -> tuple[int, str | None]:
        with storage_errors("read index.db"):
            complete_to, last_leaf = self._connection.execute("SELECT complete_to, last_leaf FROM progress").fetchone()
        return complete_to, last_leaf

    def _belongs_to(self, log: LogReader) -> bool:
        complete_to, last_leaf = self._read_progress()
        if complete_to == 0:
            return True
        entry = log.entry(complete_to - 1)
        return entry is not None and encode_b64u(hash_leaf(entry)) == last_leaf
