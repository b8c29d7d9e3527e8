"""Opening SQLite databases so that what was committed is on the disk, and so that every failure has one type."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from trustlog.errors import TrustlogError
from trustlog.storage.schema import SCHEMA_VERSION

BUSY_TIMEOUT_S: Final = 5.0  # readers never wait in WAL mode; a second writer does, for this long


class StorageFailed(TrustlogError):
    """The store could not do what was asked: ``STORAGE_FAILED`` (disk, file, lock) or ``LOG_CORRUPT`` (content)."""


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Turn SQLite's and the system's exceptions into :class:`StorageFailed`; `action` completes "cannot …"."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = "LOG_CORRUPT" if "malformed" in str(error) or "not a database" in str(error) else "STORAGE_FAILED"
        raise StorageFailed(code, f"cannot {action}: {error}") from error
    except (sqlite3.Error, OSError) as error:
        raise StorageFailed("STORAGE_FAILED", f"cannot {action}: {error}") from error


def create_database(path: Path, schema: str) -> None:
    """Create the database with its tables, or nothing: an existing file is refused."""
    with storage_errors(f"create {path.name}"):
        path.open("xb").close()
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(f"BEGIN IMMEDIATE; {schema} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        finally:
            connection.close()


def open_writer(path: Path, *, durable: bool = True) -> sqlite3.Connection:
    """A connection whose every commit is on the disk when it returns (`durable`), for one thread at a time."""
    with storage_errors(f"open {path.name} for writing"):
        connection = _connect(f"{path.resolve().as_uri()}?mode=rw")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        _check_version(connection, path)
        return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, and that sees each commit whole or not at all."""
    with storage_errors(f"open {path.name} for reading"):
        connection = _connect(f"{path.resolve().as_uri()}?mode=ro")
        connection.execute("PRAGMA query_only = ON")
        _check_version(connection, path)
        return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: all of it is committed, or, after any exception, none of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(
        uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=64
    )


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION:
        connection.close()
        raise StorageFailed(
            "STORAGE_FAILED",
            f"{path.name} has an unknown layout",
            param=path.name,
            expected=f"version {SCHEMA_VERSION}",
            found=f"version {version}",
        )
