"""Copying a database while others write to it: one moment of it, whole, in a single file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from trustlog.storage.connection import StorageFailed, open_reader, storage_errors

_PAGES_A_STEP: Final = 2048  # 8 MiB between two reports


def copy_database(source: Path, target: Path, report: Callable[[int, int], None] | None = None) -> None:
    """Copy `source` to the new file `target`, durably. `report` is told pages done and pages in all.

    The copy is what was committed when it began: the source is held at that moment by a read transaction, so writers go on and
    never start the copy over (SQLite's online backup). Meanwhile the source's write-ahead log cannot be folded in, and grows.
    The copy needs no write-ahead log: it can be read where nothing can be written. Raises StorageFailed.
    """
    reader = open_reader(source)
    try:
        with storage_errors(f"copy {source.name}"):
            target.open("xb").close()
            copy = sqlite3.connect(target, isolation_level=None)
            try:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from here on the moment is fixed
                reader.backup(copy, pages=_PAGES_A_STEP, progress=_count(report))
                copy.execute("PRAGMA journal_mode = DELETE")
                copy.execute("PRAGMA synchronous = FULL")
                _check_structure(copy, source.name)
            finally:
                copy.close()
    finally:
        reader.close()


def add_checkpoint(copy: Path, size: int, note: bytes) -> None:
    """Add a published checkpoint to a copy made by :func:`copy_database`, which nobody else uses. Raises StorageFailed."""
    with (
        storage_errors(f"complete the copy {copy.name}"),
        closing(sqlite3.connect(copy, isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("INSERT INTO checkpoints (size, note) VALUES (?, ?)", (size, note))


def _count(report: Callable[[int, int], None] | None) -> Callable[[int, int, int], None] | None:
    if report is None:
        return None
    return lambda _status, remaining, total: report(total - remaining, total)


def _check_structure(connection: sqlite3.Connection, name: str) -> None:
    (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if finding != "ok":
        raise StorageFailed("LOG_CORRUPT", f"the pages of {name} contradict each other: {finding}")
