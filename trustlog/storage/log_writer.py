"""Writing ``log.db``: the only place that changes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Self

from trustlog.merkle.tiles import Tile
from trustlog.storage.connection import open_writer, storage_errors, transaction
from trustlog.storage.log_reader import tile_id


@dataclass(frozen=True, slots=True)
class NewEntry:
    """One entry to append, with all that is stored beside it.

    `keys` are the (key, value) rows that it takes, 32 bytes each; `governs` says that its payload decides on others and must
    be read again at every start; `attachments` is JSON or None.
    """

    entry: bytes
    payload: bytes
    attachments: bytes | None
    keys: Sequence[tuple[bytes, bytes]]
    governs: bool


class LogWriter:
    """The one write connection to ``log.db``. Used by one thread at a time; every method is one durable transaction.

    All raise :class:`~trustlog.storage.connection.StorageFailed`, and then have changed nothing that a reader can see.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing ``log.db``."""
        return cls(open_writer(path))

    def append(self, first_index: int, entries: Sequence[NewEntry], tiles: Sequence[tuple[Tile, bytes]]) -> None:
        """Append `entries` from `first_index` on, with their keys, and the tiles that they complete or extend.

        A partial tile takes the place of its shorter predecessor. Keys are inserted in sorted order: neighbours share pages.
        A key that is already held keeps its holder; an index that is taken fails the whole batch.
        """
        numbered = list(enumerate(entries, start=first_index))
        keys = sorted(((key, value, index) for index, new in numbered for key, value in new.keys), key=itemgetter(0, 2))
        with storage_errors("append to log.db"), transaction(self._connection):
            self._connection.executemany(
                "INSERT INTO entries (idx, entry, payload, attachments) VALUES (?, ?, ?, ?)",
                [(index, new.entry, new.payload, new.attachments) for index, new in numbered],
            )
            self._connection.executemany(
                "INSERT INTO keys (key, value, idx) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING", keys
            )
            self._connection.executemany(
                "INSERT INTO governance (idx) VALUES (?)", [(index,) for index, new in numbered if new.governs]
            )
            self._connection.executemany(
                "INSERT INTO tiles (id, hashes) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET hashes = excluded.hashes",
                [(tile_id(tile.level, tile.index), hashes) for tile, hashes in tiles],
            )

    def record_checkpoint(self, size: int, note: bytes) -> None:
        """Keep a published checkpoint. The same one again changes nothing; another of that size is an error."""
        with storage_errors("record a checkpoint"), transaction(self._connection):
            row = self._connection.execute("SELECT note FROM checkpoints WHERE size = ?", (size,)).fetchone()
            if row is None:
                self._connection.execute("INSERT INTO checkpoints (size, note) VALUES (?, ?)", (size, note))
            elif row[0] != note:
                raise sqlite3.IntegrityError(f"another checkpoint of size {size} is already published")

    def put_blob(self, sha256: bytes, data: bytes) -> bool:
        """Keep content under its SHA-256 (32 bytes); whether it was new."""
        with storage_errors("store a payload"), transaction(self._connection):
            cursor = self._connection.execute(
                "INSERT INTO blobs (sha256, data) VALUES (?, ?) ON CONFLICT (sha256) DO NOTHING", (sha256, data)
            )
            return cursor.rowcount == 1

    def close(self) -> None:
        """Fold the write-ahead log into the database and let go of it."""
        with storage_errors("close log.db"):
            self._connection.close()
