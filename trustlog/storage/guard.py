"""The guard: one row in a database of its own that says which checkpoint was signed last.

Every checkpoint passes through it by compare-and-swap before anyone sees it. So a second writer, or a ``log.db`` put back from
a backup, cannot make the log sign two trees of which neither begins the other. It must never be restored from a copy.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from trustlog.errors import Fatal
from trustlog.storage.connection import create_database, open_reader, open_writer, storage_errors, transaction
from trustlog.storage.placement import Placement
from trustlog.storage.schema import GUARD


@dataclass(frozen=True, slots=True)
class SignedTree:
    """A tree that the log's key has signed: `root` is 32 bytes, `note` the signed checkpoint."""

    size: int
    root: bytes
    note: bytes


class Guard:
    """The guard database. Used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._placement = Placement(path)

    @classmethod
    def create(cls, path: Path, first: SignedTree) -> None:
        """Create the guard of a new log: only ``init`` does this."""
        create_database(path, GUARD)
        connection = open_writer(path)
        try:
            with storage_errors("write the guard"), transaction(connection):
                connection.execute("INSERT INTO guard VALUES (1, ?, ?, ?)", (first.size, first.root, first.note))
        finally:
            connection.close()

    @classmethod
    def open(cls, path: Path) -> Self | None:
        """Open the guard; None when there is no file."""
        return cls(open_writer(path), path) if path.exists() else None

    @staticmethod
    def read(path: Path) -> SignedTree | None:
        """The last checkpoint signed, as somebody beside the writer finds it; None where there is none."""
        if not path.exists():
            return None
        with storage_errors("read the guard"), closing(open_reader(path)) as connection:
            row = connection.execute("SELECT size, root, note FROM guard").fetchone()
        return None if row is None else SignedTree(*row)

    def check_in_place(self) -> None:
        """Check that what this writes into is still what others would open. Raises StorageFailed."""
        self._placement.check()

    def last_signed(self) -> SignedTree | None:
        """The last checkpoint signed; None when the row is missing, which no crash can cause."""
        with storage_errors("read the guard"):
            row = self._connection.execute("SELECT size, root, note FROM guard").fetchone()
        return None if row is None else SignedTree(*row)

    def advance(self, last: SignedTree, new: SignedTree) -> None:
        """Replace `last` by `new`, durably, if `last` is still what the guard holds.

        Raises Fatal(GUARD_MISMATCH) if it is not: someone else signed in between. After StorageFailed nobody knows whether
        the row changed; the caller must stop, and start-up finds out.
        """
        with storage_errors("advance the guard"), transaction(self._connection):
            changed = self._connection.execute(
                "UPDATE guard SET size = ?, root = ?, note = ? WHERE id = 1 AND size = ? AND root = ?",
                (new.size, new.root, new.note, last.size, last.root),
            ).rowcount
        if changed != 1:
            raise Fatal(
                "GUARD_MISMATCH",
                "the guard no longer holds the checkpoint that this process signed last: another writer is at work",
                expected=f"size {last.size}, root {last.root.hex()}",
            )

    def close(self) -> None:
        """Let go of the database."""
        with storage_errors("close the guard"):
            self._connection.close()
