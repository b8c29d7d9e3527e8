"""Reading ``log.db``: from any number of threads, each with its own connection, beside the one writer.

Readers see the last committed batch, which may be newer than the published checkpoint. A caller that serves a tree of some
size passes that size, and never asks beyond it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trustlog.formats.bundle import encode_bundle
from trustlog.merkle.tiles import TILE_WIDTH, Tile
from trustlog.storage.connection import StorageFailed, open_reader, storage_errors
from trustlog.storage.segment import split_entries, split_keys, split_slots

_LEVEL_SHIFT: Final = 48  # more entries than 2^56 do not fit a disk
_PAGE: Final = 256
_SEGMENTS: Final = (
    "SELECT first, count, {} FROM segments WHERE first >= coalesce((SELECT max(first) FROM segments WHERE first <= ?), 0)"
    " AND first < ? AND first + count > ? ORDER BY first"
)
_SEGMENT_OF: Final = "SELECT first, count, {} FROM segments WHERE first <= ? ORDER BY first DESC LIMIT 1"


def tile_id(level: int, index: int) -> int:
    """The row of a tile: all tiles of one level are neighbours, in order."""
    return level << _LEVEL_SHIFT | index


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """What is stored at one index: the entry, its payload (None once erased), and the unsigned attachments (JSON, or None)."""

    index: int
    entry: bytes
    payload: bytes | None
    attachments: bytes | None


class LogReader:
    """Read access to ``log.db``. Raises :class:`StorageFailed`; absence of what may be absent is None."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = threading.Lock()  # guards _opened and _closed
        self._closed = False

    def size(self) -> int:
        """How many entries are sequenced."""
        rows = self._rows("SELECT first + count FROM segments ORDER BY first DESC LIMIT 1", ())
        return int(rows[0][0]) if rows else 0

    def entry(self, index: int) -> bytes | None:
        """The entry at `index`."""
        rows = self._rows(_SEGMENT_OF.format("entries"), (index,))
        if not rows or index >= rows[0][0] + rows[0][1]:
            return None
        first: int = rows[0][0]
        return split_entries(*rows[0])[index - first]

    def entries(self, start: int, end: int) -> list[bytes]:
        """The entries [start, end), all of which must be there (``LOG_CORRUPT``)."""
        found: list[bytes] = []
        for first, count, entries in self._segments("entries", start, end):
            if first > start + len(found):
                break
            found += split_entries(first, count, entries)[max(0, start - first) : end - first]
        if len(found) != max(0, end - start):
            raise _missing(start, end, len(found))
        return found

    def stored(self, index: int) -> StoredEntry | None:
        """The whole row at `index`."""
        return next(self._stored(index, index + 1), None)

    def stored_range(self, start: int, end: int) -> Iterator[StoredEntry]:
        """What is stored of [start, end), some hundred entries in memory at a time. A gap ends it."""
        for first in range(start, end, _PAGE):
            yield from self._stored(first, min(first + _PAGE, end))

    def bundle(self, index: int, width: int) -> bytes:
        """The first `width` entries of entry bundle `index`, as C2SP tlog-tiles writes them (``LOG_CORRUPT``)."""
        start, end = index * TILE_WIDTH, index * TILE_WIDTH + width
        rows = self._segments("entries", start, end)
        position = start
        for first, count, _ in rows:
            position = position + count if first == position else -1
        if position == end:  # whole segments: the usual case
            return b"".join([entries for _, _, entries in rows])
        return encode_bundle(self.entries(start, end))

    def tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """The contents of `tiles`: a narrower tile is the beginning of the stored one. ``LOG_CORRUPT`` where one is missing."""
        contents = []
        for tile in tiles:
            hashes = self._value("SELECT hashes FROM tiles WHERE id = ?", (tile_id(tile.level, tile.index),))
            if hashes is None or len(hashes) < tile.byte_size:
                raise StorageFailed("LOG_CORRUPT", "a tile is missing or too short", param=tile.path())
            contents.append(hashes[: tile.byte_size])
        return contents

    def keys_at(self, index: int) -> list[tuple[bytes, bytes | None]]:
        """The keys (32 bytes) that the entry at `index` took, each with what it holds; None: it is the entry's identity."""
        rows = self._rows(
            "SELECT first, identities, claims FROM keys WHERE first <= ? ORDER BY first DESC LIMIT 1", (index,)
        )
        return [(key, value) for row in rows for key, value, holder in split_keys(*row) if holder == index]

    def all_keys(self, start: int = 0) -> Iterator[tuple[int, bytes, bytes]]:
        """The rows of keys of all segments from index `start` on: see :func:`trustlog.storage.segment.split_keys`."""
        with storage_errors("read log.db"):
            sql = "SELECT first, identities, claims FROM keys WHERE first >= ? ORDER BY first"
            yield from self._connection().execute(sql, (start,))

    def governance(self) -> list[int]:
        """The indexes of the entries that must be read again at a start, ascending."""
        return [row[0] for row in self._rows("SELECT idx FROM governance ORDER BY idx", ())]

    def checkpoint(self, size: int) -> bytes | None:
        """The checkpoint published at exactly `size`."""
        return self._value("SELECT note FROM checkpoints WHERE size = ?", (size,))

    def checkpoints_down_from(self, size: int) -> Iterator[tuple[int, bytes]]:
        """The published checkpoints of at most `size`, the newest first."""
        while rows := self._rows("SELECT size, note FROM checkpoints WHERE size <= ? ORDER BY size DESC LIMIT 1", (size,)):
            yield rows[0][0], rows[0][1]
            size = rows[0][0] - 1

    def newest_checkpoint_size(self) -> int | None:
        """The size of the largest checkpoint published."""
        size = self._rows("SELECT max(size) FROM checkpoints", ())[0][0]
        return None if size is None else int(size)

    def blob(self, sha256: bytes) -> bytes | None:
        """The content with this SHA-256 (32 bytes) that was put on its own."""
        return self._value("SELECT data FROM blobs WHERE sha256 = ?", (sha256,))

    def blob_hashes(self) -> list[bytes]:
        """The SHA-256 of every such content, ascending."""
        return [row[0] for row in self._rows("SELECT sha256 FROM blobs ORDER BY sha256", ())]

    def close(self) -> None:
        """Close every thread's connection."""
        with self._lock:
            self._closed = True
            for connection in self._opened:
                connection.close()
            self._opened.clear()

    def _stored(self, start: int, end: int) -> Iterator[StoredEntry]:
        for first, count, entries, payloads, attachments in self._segments("entries, payloads, attachments", start, end):
            columns = zip(
                split_entries(first, count, entries),
                split_slots(first, count, payloads),
                split_slots(first, count, attachments),
                strict=True,
            )
            for index, (entry, payload, attached) in enumerate(columns, start=first):
                if start <= index < end:
                    yield StoredEntry(index, entry, payload, attached)

    def _segments(self, columns: str, start: int, end: int) -> list[tuple[Any, ...]]:
        """``first``, ``count`` and `columns` of the segments that hold any of [start, end), ascending."""
        return self._rows(_SEGMENTS.format(columns), (start, end, start)) if start < end else []

    def _rows(self, sql: str, parameters: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with storage_errors("read log.db"):
            return self._connection().execute(sql, parameters).fetchall()

    def _value(self, sql: str, parameters: tuple[object, ...]) -> bytes | None:
        rows = self._rows(sql, parameters)
        return rows[0][0] if rows else None

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            with self._lock:
                if self._closed:
                    raise StorageFailed("STORAGE_FAILED", "log.db is closed")
                connection = self._local.connection = open_reader(self._path)
                self._opened.append(connection)
        return connection


def _missing(start: int, end: int, found: int) -> StorageFailed:
    return StorageFailed("LOG_CORRUPT", f"entries are missing between {start} and {end}", found=f"{found} entries")
