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

from trustlog.merkle.tiles import Tile
from trustlog.storage.connection import StorageFailed, open_reader, storage_errors

_LEVEL_SHIFT: Final = 48  # more entries than 2^56 do not fit a disk
_PAGE: Final = 256


def tile_id(level: int, index: int) -> int:
    """The row of a tile: all tiles of one level are neighbours, in order."""
    return level << _LEVEL_SHIFT | index


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One row: the entry, its payload (None once erased), and the unsigned attachments (JSON, or None)."""

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
        (last,) = self._rows("SELECT max(idx) FROM entries", ())[0]
        return 0 if last is None else int(last) + 1

    def entry(self, index: int) -> bytes | None:
        """The entry at `index`."""
        return self._value("SELECT entry FROM entries WHERE idx = ?", (index,))

    def entries(self, start: int, end: int) -> list[bytes]:
        """The entries [start, end), all of which must be there (``LOG_CORRUPT``)."""
        rows = self._rows("SELECT entry FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx", (start, end))
        if len(rows) != end - start:
            raise StorageFailed(
                "LOG_CORRUPT", f"entries are missing between {start} and {end}", found=f"{len(rows)} entries"
            )
        return [row[0] for row in rows]

    def stored(self, index: int) -> StoredEntry | None:
        """The whole row at `index`."""
        rows = self._rows("SELECT idx, entry, payload, attachments FROM entries WHERE idx = ?", (index,))
        return StoredEntry(*rows[0]) if rows else None

    def stored_range(self, start: int, end: int) -> Iterator[StoredEntry]:
        """The rows [start, end), some hundred in memory at a time."""
        for first in range(start, end, _PAGE):
            rows = self._rows(
                "SELECT idx, entry, payload, attachments FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx",
                (first, min(first + _PAGE, end)),
            )
            for row in rows:
                yield StoredEntry(*row)

    def tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """The contents of `tiles`: a narrower tile is the beginning of the stored one. ``LOG_CORRUPT`` where one is missing."""
        contents = []
        for tile in tiles:
            hashes = self._value("SELECT hashes FROM tiles WHERE id = ?", (tile_id(tile.level, tile.index),))
            if hashes is None or len(hashes) < tile.byte_size:
                raise StorageFailed("LOG_CORRUPT", "a tile is missing or too short", param=tile.path())
            contents.append(hashes[: tile.byte_size])
        return contents

    def held(self, keys: Sequence[bytes]) -> dict[bytes, tuple[bytes, int]]:
        """What each of `keys` (32 bytes) holds, and the index of the entry that took it; those that nobody holds are absent."""
        found: dict[bytes, tuple[bytes, int]] = {}
        ordered = sorted(set(keys))  # neighbours share pages
        for start in range(0, len(ordered), _PAGE):
            page = ordered[start : start + _PAGE]
            sql = f"SELECT key, value, idx FROM keys WHERE key IN ({','.join('?' * len(page))})"  # noqa: S608 - placeholders
            found.update((key, (value, index)) for key, value, index in self._rows(sql, tuple(page)))
        return found

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
