"""Writing ``log.db``: the only place that changes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from trustlog.merkle.tiles import Tile
from trustlog.storage.connection import open_writer, storage_errors, transaction
from trustlog.storage.log_reader import tile_id
from trustlog.storage.placement import Placement
from trustlog.storage.schema import SCHEMA_VERSION
from trustlog.storage.segment import NewEntry, keys_row, segment_row, split_at_bundles

__all__ = ["LogWriter", "NewEntry"]

_FOLDING_MS: Final = 1000  # how long the last folding waits for readers


class LogWriter:
    """The one write connection to ``log.db``. Used by one thread at a time; every method is one durable transaction.

    All raise :class:`~trustlog.storage.connection.StorageFailed`, and then have changed nothing that a reader can see.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._placement = Placement(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing ``log.db``."""
        return cls(open_writer(path), path)

    def check_in_place(self) -> None:
        """Check that what this writes into is still what others would open. Raises StorageFailed."""
        self._placement.check()

    def prove_writable(self) -> None:
        """Write something, durably, that changes nothing. Raises StorageFailed."""
        self.check_in_place()
        with storage_errors("write to log.db"), transaction(self._connection):
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def append(
        self,
        first_index: int,
        entries: Sequence[NewEntry],
        tiles: Sequence[tuple[Tile, bytes]],
        checkpoint: tuple[int, bytes] | None = None,
    ) -> None:
        """Append `entries` from `first_index` on, with their keys, and the tiles that they complete or extend.

        A partial tile takes the place of its shorter predecessor. An index that is taken fails the whole batch. `checkpoint`, a
        size and its note, is recorded in the same transaction.
        """
        segments = list(split_at_bundles(first_index, entries))
        governing = [(index,) for index, new in enumerate(entries, start=first_index) if new.governs]
        with storage_errors("append to log.db"), transaction(self._connection):
            execute = self._connection.executemany
            execute(
                "INSERT INTO segments (first, count, entries, payloads, attachments) VALUES (?, ?, ?, ?, ?)",
                [segment_row(first, of_segment) for first, of_segment in segments],
            )
            execute(
                "INSERT INTO keys (first, identities, claims) VALUES (?, ?, ?)",
                [keys_row(first, of_segment) for first, of_segment in segments],
            )
            execute(
                "INSERT INTO tiles (id, hashes) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET hashes = excluded.hashes",
                [(tile_id(tile.level, tile.index), hashes) for tile, hashes in tiles],
            )
            if governing:
                execute("INSERT INTO governance (idx) VALUES (?)", governing)
            if checkpoint is not None:
                self._record(*checkpoint)

    def record_checkpoint(self, size: int, note: bytes) -> None:
        """Keep a published checkpoint. The same one again changes nothing; another of that size is an error."""
        with storage_errors("record a checkpoint"), transaction(self._connection):
            self._record(size, note)

    def put_blob(self, sha256: bytes, data: bytes) -> bool:
        """Keep content under its SHA-256 (32 bytes); whether it was new."""
        with storage_errors("store a payload"), transaction(self._connection):
            cursor = self._connection.execute(
                "INSERT INTO blobs (sha256, data) VALUES (?, ?) ON CONFLICT (sha256) DO NOTHING", (sha256, data)
            )
            return cursor.rowcount == 1

    def close(self) -> None:
        """Fold the write-ahead log into the database and let go of it.

        The last connection to a database folds it too, but that may be one that only reads, and cannot. What cannot be folded
        now, because somebody reads for long or the disk fails, is folded after the next start: nothing is lost by it.
        """
        with suppress(sqlite3.Error):
            self._connection.execute(f"PRAGMA busy_timeout = {_FOLDING_MS}")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with storage_errors("close log.db"):
            self._connection.close()

    def _record(self, size: int, note: bytes) -> None:
        row = self._connection.execute("SELECT note FROM checkpoints WHERE size = ?", (size,)).fetchone()
        if row is None:
            self._connection.execute("INSERT INTO checkpoints (size, note) VALUES (?, ?)", (size, note))
        elif row[0] != note:
            raise sqlite3.IntegrityError(f"another checkpoint of size {size} is already published")
