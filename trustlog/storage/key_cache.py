"""``keys.cache``: the key table as it was at some size, so that a start need not read the keys of every entry again.

It may be deleted at any time. It is used only if it is whole, and if it was made at a tree that the stored one begins with; what
was logged after that is read from ``log.db``.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from trustlog.storage.connection import storage_errors
from trustlog.storage.keys import KeyTable

NAME: Final = "keys.cache"
_HEAD: Final = struct.Struct(">16sQ32s")  # what it is, the size, the root at that size
_WHAT: Final = b"trustlog keys 1\n"
_DIGEST_BYTES: Final = 32


def write_key_cache(path: Path, table: KeyTable, size: int, root: bytes) -> None:
    """Replace the cache at `path` by `table`, the keys of the tree of `size` leaves with `root`. Raises StorageFailed."""
    body = _HEAD.pack(_WHAT, size, root) + table.encode()
    made = path.with_name(path.name + "-new")
    with storage_errors(f"write {path.name}"):
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.write(hashlib.sha256(body).digest())
        made.rename(path)  # torn by a power failure, it is not whole, and is not used


def read_key_cache(path: Path, root_at: Callable[[int], bytes | None]) -> tuple[KeyTable, int]:
    """The table, and the size up to which it holds the keys; an empty one and 0 where there is none that can be used.

    `root_at` gives the root of the stored tree at a size, None beyond its end.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return KeyTable(), 0
    body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if len(body) < _HEAD.size or hashlib.sha256(body).digest() != digest:
        return KeyTable(), 0
    what, size, root = _HEAD.unpack_from(body)
    if what != _WHAT or root_at(size) != root:
        return KeyTable(), 0
    return KeyTable.decode(memoryview(body)[_HEAD.size :]), size
