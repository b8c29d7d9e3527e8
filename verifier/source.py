"""Where a log is read from: an exported directory or a URL. Bounded reads, time-outs, no redirects.

A directory is a C2SP tile tree plus `payloads/<first two hex>/<sha256 hex>`.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Protocol

from verifier.errors import Refused, Unavailable, Unusable
from verifier.limits import MAX_BUNDLE_BYTES, MAX_NOTE_BYTES, MAX_PAYLOAD_BYTES
from verifier.tiles import TILE_WIDTH, Tile, check_tile_size, split_bundle, width_at
from verifier.tree import HASH_SIZE

if sys.platform == "win32":
    _FLAGS = os.O_RDONLY | os.O_BINARY
else:
    _FLAGS = os.O_RDONLY | os.O_NONBLOCK  # a named pipe in place of a file would hold the auditor for ever


class Source(Protocol):
    """Reads named parts of one log."""

    @property
    def location(self) -> str:
        """What `open_source` opened, so that a worker process can open it too."""

    @property
    def is_live(self) -> bool:
        """Whether this is a running log, whose checkpoint should be fresh."""

    def read(self, path: str, max_bytes: int) -> bytes | None:
        """The bytes at a path, or None if there are none. Raises Unavailable."""

    def read_many(self, paths: Sequence[str], max_bytes: int) -> Iterator[bytes | None]:
        """As `read`, for each path in order; a few may be fetched at once."""

    def read_payloads(self, hashes: Sequence[bytes]) -> Iterator[bytes | None]:
        """The payload with each of these SHA-256 in order, None where there is none. Not checked. Raises Unavailable."""

    def close(self) -> None:
        """Let go of connections."""


def open_source(location: str) -> Source:
    """The log at a URL or in a directory. Raises Unusable INPUT_UNREADABLE if there is no such directory."""
    if location[:8].lower().startswith(("http://", "https://")):
        from verifier.web import HttpSource  # noqa: PLC0415 - a directory needs no HTTP

        return HttpSource(location)
    return DirectorySource(location)


class DirectorySource:
    """A log in a directory."""

    is_live = False

    def __init__(self, location: str) -> None:
        if not location or not _is_there(location, kind=stat.S_ISDIR):  # "" would be read as the root of the file system
            raise Unusable("INPUT_UNREADABLE", location[:200], expected="a directory or a URL")
        self.location = location
        self._has_payloads = _is_there(f"{location}/payloads")

    def read(self, path: str, max_bytes: int) -> bytes | None:
        """The bytes of a file, or None if there is no such file."""
        try:
            file = os.open(f"{self.location}/{path}", _FLAGS)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise Unavailable("LOG_UNREACHABLE", path, found=error.strerror) from None
        try:
            data = _read_regular(file, path, max_bytes + 1)
        except OSError as error:
            raise Unavailable("LOG_UNREACHABLE", path, found=error.strerror) from None
        finally:
            os.close(file)
        if len(data) > max_bytes:
            raise Unavailable("BODY_TOO_LARGE", path, expected=f"at most {max_bytes} bytes", found="more")
        return data

    def read_many(self, paths: Sequence[str], max_bytes: int) -> Iterator[bytes | None]:
        """Each file in order, read when it is asked for."""
        return (self.read(path, max_bytes) for path in paths)

    def read_payloads(self, hashes: Sequence[bytes]) -> Iterator[bytes | None]:
        """The files that are named by the hashes."""
        if not self._has_payloads:  # an export without any is not asked for a million of them
            return repeat(None, len(hashes))
        names = (name.hex() for name in hashes)
        return (self.read(f"payloads/{name[:2]}/{name}", MAX_PAYLOAD_BYTES) for name in names)

    def close(self) -> None:
        """Nothing is held open."""


def _is_there(path: str, *, kind: Callable[[int], bool] | None = None) -> bool:
    """Whether there is something, of a kind if one is named. What may not be looked at is there, and reading it says why."""
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return kind is None
    return kind is None or kind(mode)


def _read_regular(file: int, path: str, most: int) -> bytes:
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        raise Unavailable("LOG_UNREACHABLE", path, expected="a regular file")
    asked = min(most, status.st_size + 1)
    data = os.read(file, asked)
    if len(data) < status.st_size or len(data) == asked:  # otherwise it ended where it was said to
        while 0 < len(data) < most and (piece := os.read(file, min(most - len(data), 1 << 20))):
            data += piece
    return data


def read_checkpoint(source: Source) -> bytes:
    """The checkpoint note that the log serves."""
    data = source.read("checkpoint", MAX_NOTE_BYTES)
    if data is None:
        raise Unavailable("LOG_UNREACHABLE", "checkpoint", found="none")
    return data


def read_tile(source: Source, tile: Tile) -> bytes:
    """The joined hashes of a tile, from the full tile if the partial one is no longer served."""
    return _hashes_of(source, tile, source.read(tile.path, MAX_BUNDLE_BYTES))


def read_bundle(source: Source, tile: Tile) -> list[bytes]:
    """The entries of a bundle, from the full one if the partial one is no longer served."""
    return _entries_of(source, tile, source.read(tile.path, MAX_BUNDLE_BYTES))


def read_bundles(source: Source, tiles: Sequence[Tile]) -> Iterator[list[bytes]]:
    """As `read_bundle`, for each in order."""
    read = source.read_many([tile.path for tile in tiles], MAX_BUNDLE_BYTES)
    return (_entries_of(source, tile, data) for tile, data in zip(tiles, read, strict=True))


def read_entry(source: Source, index: int, size: int) -> bytes:
    """The entry at `index` of the tree of `size` entries. Not checked."""
    number = index // TILE_WIDTH
    return read_bundle(source, Tile(None, number, width_at(0, number, size)))[index % TILE_WIDTH]


def read_tiles(source: Source, tiles: Sequence[Tile]) -> Iterator[bytes]:
    """As `read_tile`, for each in order."""
    read = source.read_many([tile.path for tile in tiles], MAX_BUNDLE_BYTES)
    return (_hashes_of(source, tile, data) for tile, data in zip(tiles, read, strict=True))


def _hashes_of(source: Source, tile: Tile, data: bytes | None) -> bytes:
    served, data = _or_full(source, tile, data)
    try:
        check_tile_size(data, served.width)
    except Refused as error:
        raise Refused(error.code, served.path, expected=error.expected, found=error.found) from None
    return data[: tile.width * HASH_SIZE]


def _entries_of(source: Source, tile: Tile, data: bytes | None) -> list[bytes]:
    served, data = _or_full(source, tile, data)
    try:
        return split_bundle(data, served.width)[: tile.width]
    except Refused as error:
        raise Refused(error.code, served.path, expected=error.expected, found=error.found) from None


def _or_full(source: Source, tile: Tile, data: bytes | None) -> tuple[Tile, bytes]:
    """What is served: the tile or, where there is none, the full one that it became; and its bytes."""
    if data is not None:
        return tile, data
    full = Tile(tile.level, tile.index)
    data = source.read(full.path, MAX_BUNDLE_BYTES) if tile.width < TILE_WIDTH else None
    if data is None:
        raise Unavailable("NOT_FOUND", tile.path, expected="every tile and entry bundle under the checkpoint")
    return full, data
