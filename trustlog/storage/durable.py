"""Making certain that what was found is on the disk, before anything is built upon it.

After a crash of the process alone, the system still has in its memory what was never synced, and a database shows it like
everything else; the power may take it away later. A sync that failed does no better: the pages count as written from then on,
and the next sync says nothing of them. So bytes are made durable by writing them again, where they are, and then syncing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from trustlog.storage.connection import storage_errors

_PIECE_BYTES: Final = 1 << 20


def make_durable(database: Path) -> None:
    """Write the write-ahead log of `database` again, byte by byte the same, and sync it and its name.

    That is all that a database can show and a power failure can take away: pages reach the database itself only from a
    write-ahead log that stays until they are synced. To be called before the database is opened, by whoever holds the lock:
    a writer at work would be overwritten. Raises StorageFailed.
    """
    with storage_errors(f"make {database.name} durable"), suppress(FileNotFoundError):
        _write_again(database.with_name(database.name + "-wal"))
        sync_directory(database.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_again(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        offset = 0
        while piece := os.pread(descriptor, _PIECE_BYTES, offset):
            offset += _write_whole(descriptor, piece, offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, piece: bytes, offset: int) -> int:
    written = 0
    while written < len(piece):
        written += os.pwrite(descriptor, piece[written:], offset + written)
    return written
