"""Tiles and entry bundles: their names, their extent at a tree size, and the nodes in them (C2SP tlog-tiles).

The tile ``(level L, index N)`` holds up to 256 hashes: those of the complete subtrees of 256^L leaves
numbered N*256 and up. So the nodes of levels 8L … 8L+7 are a slice of one tile of level L, folded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from trustlog.errors import Refused
from trustlog.merkle.hashing import HASH_SIZE, fold_complete
from trustlog.merkle.proofs import Node

TILE_WIDTH: Final = 256
"""Hashes in a full tile, and entries in a full entry bundle."""

TILE_HEIGHT: Final = 8
"""Levels of the tree between two levels of tiles: 2^8 is TILE_WIDTH."""

MAX_TILE_LEVEL: Final = 63
"""The highest level that a path may name (C2SP tlog-tiles)."""

_INDEX = r"(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
_TILE_PATH: Final = re.compile(r"tile/(?P<level>0|[1-9][0-9]?)/" + _INDEX)
_BUNDLE_PATH: Final = re.compile(r"tile/entries/" + _INDEX)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """The first `width` (1 … 256) hashes of tile `index` at `level`; another width is another resource."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def is_full(self) -> bool:
        """Whether the tile is complete, and so for ever the same at every tree size."""
        return self.width == TILE_WIDTH

    @property
    def byte_size(self) -> int:
        """The length of the tile's content in bytes."""
        return self.width * HASH_SIZE

    def path(self) -> str:
        """The path under the log's prefix, such as ``tile/0/x001/234.p/5``."""
        return f"tile/{self.level}/{_index_path(self.index, self.width)}"


TileReader: TypeAlias = Callable[[Sequence[Tile]], Sequence[bytes]]
"""Reads the contents of tiles, in the order asked, in one call. Its errors pass through."""


# Paths.


def parse_tile_path(path: str) -> Tile:
    """The tile that `path` (no leading slash) names, in its one spelling. Raises Refused(NOT_FOUND)."""
    match = _TILE_PATH.fullmatch(path)
    if match:
        tile = Tile(int(match["level"]), *_parse_index(match))
        if tile.level <= MAX_TILE_LEVEL and tile.path() == path:
            return tile
    raise Refused("NOT_FOUND", "not the path of a tile", expected="tile/<level>/<index>[.p/<width>]", found=path)


def entry_bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """The path of entry bundle `index` with `width` (1 … 256) entries: ``tile/entries/x001/234.p/5``."""
    return f"tile/entries/{_index_path(index, width)}"


def parse_entry_bundle_path(path: str) -> tuple[int, int]:
    """The index and width of the entry bundle that `path` names. Raises Refused(NOT_FOUND)."""
    match = _BUNDLE_PATH.fullmatch(path)
    if match:
        index, width = _parse_index(match)
        if entry_bundle_path(index, width) == path:
            return index, width
    raise Refused(
        "NOT_FOUND",
        "not the path of an entry bundle",
        expected="tile/entries/<index>[.p/<width>]",
        found=path,
    )


def _index_path(index: int, width: int) -> str:
    """Groups of three digits, all but the last after an x; then ``.p/<width>`` unless full."""
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def _parse_index(match: re.Match[str]) -> tuple[int, int]:
    width = match["width"]
    return int(match["index"].replace("/", "").replace("x", "")), TILE_WIDTH if width is None else int(width)


# Extent.


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes tile `index` at `level` has in the tree of `size` leaves: 0 (no such tile) … 256."""
    return max(0, min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH))


def tiles_of_size(size: int) -> Iterator[Tile]:
    """All tiles of the tree of `size` leaves: level by level from 0, left to right, a partial one last."""
    level, hashes = 0, size
    while hashes:
        full, partial = divmod(hashes, TILE_WIDTH)
        for index in range(full):
            yield Tile(level, index)
        if partial:
            yield Tile(level, full, partial)
        level, hashes = level + 1, full


def node_location(level: int, index: int, size: int) -> tuple[Tile, int, int]:
    """Where node ``(level, index)`` is at `size`: the tile, and the hashes [start, end) that fold into it.

    The node must be complete at that size: anything else is an error of the caller, and asserted.
    """
    tile_level, height = divmod(level, TILE_HEIGHT)
    tile_index, start = divmod(index << height, TILE_WIDTH)
    end = start + (1 << height)
    width = tile_width(tile_level, tile_index, size)
    assert end <= width, f"node ({level}, {index}) is not complete in a tree of {size} leaves"
    return Tile(tile_level, tile_index, width), start, end


# Reading.


class TileNodes:
    """A NodeReader over tiles: each needed tile is read once per call, and cut to the asked nodes.

    It believes the tiles: a caller who does not trust their source checks what comes out against a signed
    root.
    """

    def __init__(self, read_tiles: TileReader, size: int) -> None:
        """`read_tiles` reads tiles of the tree of `size` leaves."""
        self._read_tiles = read_tiles
        self._size = size

    def __call__(self, nodes: Sequence[Node]) -> list[bytes]:
        """The hashes of `nodes`. Raises Refused(TILE_MALFORMED) for a tile whose length is not its name's."""
        places = [node_location(level, index, self._size) for level, index in nodes]
        contents = read_checked_tiles(self._read_tiles, sorted({tile for tile, _, _ in places}))
        return [fold_complete(contents[tile][start * HASH_SIZE : end * HASH_SIZE]) for tile, start, end in places]


def read_checked_tiles(read_tiles: TileReader, tiles: Sequence[Tile]) -> dict[Tile, bytes]:
    """The contents of `tiles`, each of exactly its width. Raises Refused(TILE_MALFORMED)."""
    contents = dict(zip(tiles, read_tiles(tiles), strict=True))
    for tile, content in contents.items():
        if len(content) != tile.byte_size:
            raise Refused(
                "TILE_MALFORMED",
                "the tile has a wrong length",
                param=tile.path(),
                expected=f"{tile.byte_size} bytes",
                found=f"{len(content)} bytes",
            )
    return contents
