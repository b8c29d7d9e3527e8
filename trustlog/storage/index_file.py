"""The file ``index.db``: made whole or not at all, replaced under its readers, and told apart from one that is damaged.

A new one appears by a rename, after whatever was there is gone: a reader sees the old file, none, or the new one. It is written
without waiting for the disk at each commit; after a power failure SQLite finds some commits fewer, and they are made again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from trustlog.storage.connection import BUSY_TIMEOUT_S, StorageFailed, storage_errors
from trustlog.storage.index_schema import INDEX

_CHECKPOINT_PAGES: Final = 1000  # 4 MB of -wal: some seconds of the highest load between two waits for the disk, each short
_CACHE_KIB: Final = 16 * 1024  # more than all runs of one segment
_DAMAGE: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,  # a table that is not there, say
        sqlite3.SQLITE_CONSTRAINT,  # a row that should not be there
        sqlite3.SQLITE_MISMATCH,
    }
)


class IndexDamaged(StorageFailed):
    """``index.db`` does not say what was written to it."""

    def __init__(self, detail: str) -> None:
        super().__init__("STORAGE_FAILED", f"index.db is damaged, and will be built again: {detail}", param="index.db")


@contextmanager
def index_errors(action: str) -> Iterator[None]:
    """Exceptions of SQLite and of the system as StorageFailed; content that is no index of ours as IndexDamaged."""
    with storage_errors(action):
        try:
            yield
        except UnicodeError as error:  # also in the text of SQLite's own complaint
            raise IndexDamaged("text that is none") from error
        except sqlite3.DatabaseError as error:
            unknown = sqlite3.SQLITE_CORRUPT if isinstance(error, sqlite3.OperationalError) else sqlite3.SQLITE_MISUSE
            if getattr(error, "sqlite_errorcode", unknown) & 0xFF in _DAMAGE:  # values that do not decode have no code
                raise IndexDamaged(str(error)) from error
            raise


def replace_index(path: Path, layout: str) -> None:
    """Put an empty index in the place of whatever is at `path`. Raises StorageFailed."""
    made = path.with_name(path.name + "-new")
    with storage_errors(f"create {path.name}"):
        for name in (path, *_companions(path), made, *_companions(made), damage_path(path)):
            name.unlink(missing_ok=True)
        with closing(sqlite3.connect(made, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN; {INDEX} COMMIT;")
            connection.execute("INSERT INTO progress VALUES (1, ?, 0, NULL, 0)", (layout,))
        made.rename(path)


def open_index_writer(path: Path) -> sqlite3.Connection:
    """The connection that fills the index at `path`, for one thread at a time. Raises StorageFailed."""
    connection = _connect(path, "rw")
    with index_errors(f"open {path.name}"):
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",  # the disk is waited for when -wal is copied, not at each commit
            f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            f"cache_size = -{_CACHE_KIB}",
        ):
            connection.execute(f"PRAGMA {pragma}")
    return connection


def open_index_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write to the index at `path`. Raises StorageFailed."""
    return _connect(path, "ro")


def read_layout(connection: sqlite3.Connection) -> str | None:
    """What the index says of how it was made."""
    row = connection.execute("SELECT layout FROM progress").fetchone()
    return None if row is None else str(row[0])


def read_progress(connection: sqlite3.Connection) -> tuple[int, bytes | None]:
    """How far the index goes, and the leaf hash of the last entry in it. Raises IndexDamaged."""
    row = connection.execute("SELECT complete_to, last_leaf FROM progress").fetchone()
    if row is None or not isinstance(row[0], int) or not isinstance(row[1], bytes | None) or row[0] < 0:
        raise IndexDamaged("it does not say how far it goes")
    return row[0], row[1]


def read_texts_to(connection: sqlite3.Connection) -> int:
    """How far the words of entries go. Raises IndexDamaged."""
    row = connection.execute("SELECT texts_to FROM progress").fetchone()
    if row is None or not isinstance(row[0], int) or row[0] < 0:
        raise IndexDamaged("it does not say how far its words go")
    return row[0]


def damage_path(path: Path) -> Path:
    """Where a reader, which cannot write to the index at `path`, says that it is damaged."""
    return path.with_name(path.name + "-damaged")


def report_damage(path: Path) -> None:
    """Ask whoever fills the index at `path` to build it again."""
    with suppress(OSError):
        damage_path(path).touch()


def file_identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file that has the name now; None where there is none. Raises StorageFailed."""
    with storage_errors(f"look at {path.name}"):
        try:
            status = os.stat(path)  # noqa: PTH116 - at every search
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    with index_errors(f"open {path.name}"):
        return sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
