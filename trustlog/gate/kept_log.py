"""What a gate keeps of the log as it was read, and of what it saw of the log: entries in order, payloads, sightings, checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from trustlog.client.memory import Remembered
from trustlog.formats.checkpoint import parse_checkpoint
from trustlog.formats.note import parse_note
from trustlog.gate.kept_file import KeptFile
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf

_CHUNK_ENTRIES: Final = 4096


class KeptLog:
    """The log in one file, up to the tree that was reached."""

    def __init__(self, file: KeptFile) -> None:
        self._file = file

    def read_all(self) -> Iterator[tuple[list[bytes], Edge]]:
        """All entries in order, some at a time, each time with the edge of the tree that ends with them.

        Raises StorageFailed at the first that is missing, and at the end if the entries are not the tree that was reached.
        """
        edge = Edge.empty()
        size, root = self._reached()
        while edge.size < size:
            entries = self._chunk(edge.size, min(size, edge.size + _CHUNK_ENTRIES))
            edge, _tiles = edge.append([hash_leaf(entry) for entry in entries])
            yield entries, edge
        if edge.root() != root:
            self._file.damaged("the entries are not those that were read")
        if self._file.all("SELECT count(*) FROM entries") != [(size,)]:
            self._file.damaged("there are more entries than were read")

    def payload(self, sha256: bytes) -> bytes | None:
        """A payload that was fetched once."""
        row = self._file.one("SELECT text FROM payloads WHERE sha256 = ?", sha256)
        if row is not None and hashlib.sha256(row[0]).digest() != sha256:
            self._file.damaged("a payload is not what it was")
        return None if row is None else row[0]

    def add_payload(self, sha256: bytes, text: bytes) -> None:
        """Keep a payload: an entry's, or a plan."""
        self._file.run("INSERT OR IGNORE INTO payloads VALUES (?, ?)", sha256, text)

    def drop_payload(self, sha256: bytes) -> None:
        """A payload was erased from the log: it does not stay here either."""
        self._file.run("DELETE FROM payloads WHERE sha256 = ?", sha256)

    def add_entries(self, start: int, entries: Sequence[bytes], payloads: Mapping[bytes, bytes], root: bytes) -> None:
        """Keep the entries from index `start` on, with which the tree has this root, and their payloads by SHA-256."""
        self._file.run_each("INSERT INTO entries VALUES (?, ?)", list(enumerate(entries, start)))
        self._file.run_each("INSERT OR IGNORE INTO payloads VALUES (?, ?)", list(payloads.items()))
        self._file.run("INSERT OR REPLACE INTO reached VALUES (1, ?, ?)", start + len(entries), root)

    def sightings(self) -> list[tuple[int, int]]:
        """Sizes, and the times (ns) by which a quorum of witnesses had seen them."""
        return list(self._file.all("SELECT size, ns FROM sightings ORDER BY size"))

    def add_sighting(self, size: int, ns: int) -> None:
        """Keep a sighting."""
        self._file.run("INSERT OR REPLACE INTO sightings VALUES (?, ?)", size, ns)

    def _reached(self) -> tuple[int, bytes]:
        row = self._file.one("SELECT size, root FROM reached")
        return (0, Edge.empty().root()) if row is None else (row[0], row[1])

    def _chunk(self, start: int, end: int) -> list[bytes]:
        rows = self._file.all("SELECT idx, entry FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx", start, end)
        if [index for index, _entry in rows] != list(range(start, end)):
            self._file.damaged(f"an entry between index {start} and {end} is missing")
        return [entry for _index, entry in rows]


class KeptMemory:
    """The newest checkpoint seen, kept with the view (a :class:`~trustlog.client.memory.CheckpointMemory`)."""

    def __init__(self, file: KeptFile) -> None:
        self._file = file
        self._remembered: Remembered | None = None
        self._loaded = False

    def load(self) -> Remembered | None:
        """What is remembered."""
        if not self._loaded:
            row = self._file.one("SELECT note FROM seen")
            self._remembered = None if row is None else Remembered(parse_checkpoint(parse_note(row[0]).text), row[0])
            self._loaded = True
        return self._remembered

    def replace(self, old: Remembered | None, new: Remembered) -> bool:
        """Remember `new` in place of `old`."""
        if self.load() != old:
            return False
        self._file.run("INSERT OR REPLACE INTO seen VALUES (1, ?)", new.note)
        self._remembered = new
        return True
