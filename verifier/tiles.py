"""Tiles and entry bundles of c2sp.org/tlog-tiles: paths, widths, and exact contents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct

from verifier.errors import Refused
from verifier.limits import MAX_TREE_SIZE
from verifier.tree import HASH_SIZE

TILE_WIDTH = 256
_PAIRS = [Struct(f"{2 * HASH_SIZE}s" * count).unpack for count in (128, 64, 32, 16, 8, 4, 2, 1)]  # of a tile, upwards
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<groups>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of `width` hashes at `level` and `index`; level None is the entry bundle beside a level-0 tile."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """`tile/<L>/<N>[.p/<W>]`, the index in groups of three digits."""
        level = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{format_index(self.index)}{partial}"


def format_index(index: int) -> str:
    """1234067 -> x001/x234/067."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))


def parse_tile_path(path: str) -> Tile:
    """The tile that a path names. Raises Refused TILE_INVALID on any other spelling."""
    match = _PATH.fullmatch(path)
    if match is None or len(path) > 64:
        raise Refused("TILE_INVALID", "tile path", expected="tile/<L>/<N>[.p/<W>]")
    level = None if match["level"] == "entries" else int(match["level"])
    index = int(match["groups"].replace("x", "").replace("/", ""))
    tile = Tile(level, index, int(match["width"] or TILE_WIDTH))
    if (level or 0) > 63 or tile.width > TILE_WIDTH or index > MAX_TREE_SIZE or tile.path != path:
        raise Refused("TILE_INVALID", "tile path", expected="its one spelling")
    return tile


def width_at(level: int, index: int, size: int) -> int:
    """How many hashes the tile (level, index) has in the tree of `size` entries, 0 if it does not exist."""
    return max(0, min(TILE_WIDTH, (size >> (8 * level)) - TILE_WIDTH * index))


def check_tile_size(data: bytes, width: int) -> None:
    """Check that a tile is `width` hashes, one after another. Raises Refused TILE_MALFORMED."""
    if len(data) != width * HASH_SIZE:
        raise Refused("TILE_MALFORMED", "tile", expected=f"{width} hashes", found=f"{len(data)} bytes")


def compute_tile_root(tile: bytes) -> bytes:
    """The hash of a full tile's subtree, from the tile's bytes: 256 hashes to one, eight levels up."""
    assert len(tile) == TILE_WIDTH * HASH_SIZE, "a full tile"
    for split in _PAIRS:
        tile = b"".join([sha256(b"\x01" + pair).digest() for pair in split(tile)])
    return tile


def split_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle: big-endian 16-bit length, entry, repeated exactly `width` times.

    Raises Refused BUNDLE_MALFORMED.
    """
    entries: list[bytes] = []
    at, total = 0, len(data)
    while at + 1 < total:
        begin = at + 2
        at = begin + (data[at] << 8 | data[at + 1])
        entries.append(data[begin:at])
    if at != total:
        raise Refused("BUNDLE_MALFORMED", "entry bundle", found="a truncated entry")
    if len(entries) != width:
        raise Refused("BUNDLE_MALFORMED", "entry bundle", expected=f"{width} entries", found=f"{len(entries)} entries")
    return entries
