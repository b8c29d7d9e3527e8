"""Reads a whole log once: every entry bundle to the root, and every tile at every level against it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import sha256

from verifier.errors import Refused
from verifier.source import Source, read_bundle, read_tile
from verifier.tiles import TILE_WIDTH, Tile, compute_tile_root, width_at
from verifier.tree import EMPTY_ROOT, TreeHead

OnEntries = Callable[[int, list[bytes]], None]  # first index and the entries of one bundle
OnProgress = Callable[[int, int], None]  # entries read so far, and all


@dataclass
class Scan:
    """What one pass found: size and root, and the roots at the sizes that were asked for."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    roots: dict[int, bytes] = field(default_factory=dict)
    tiles: int = 0


def scan_log(
    source: Source,
    size: int,
    *,
    sizes: Collection[int] = (),
    on_entries: OnEntries | None = None,
    on_progress: OnProgress | None = None,
) -> Scan:
    """Read the tree of `size` entries: compute it from the entry bundles and compare every tile with it.

    Raises Refused BUNDLE_MALFORMED, TILE_MALFORMED or TILE_INVALID, and Unavailable for what is not there.
    Memory is bounded by one bundle and one tile a level.
    """
    wanted = sorted({at for at in sizes if 0 < at <= size})
    scan, head = Scan(size), TreeHead()
    rows: list[list[bytes]] = [[]]
    for number in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
        width = width_at(0, number, size)
        entries = read_bundle(source, Tile(None, number, width))
        leaves = [sha256(b"\x00" + entry).digest() for entry in entries]
        first = number * TILE_WIDTH
        while wanted and wanted[0] <= first + width:
            at = wanted.pop(0)
            scan.roots[at] = _root_within(head, leaves[: at - first])
        _append(head, leaves)
        rows[0] = leaves
        if width == TILE_WIDTH:
            _complete(source, rows, number, scan)
        if on_entries is not None:
            on_entries(first, entries)
        if on_progress is not None:
            on_progress(first + width, size)
    for level, row in enumerate(rows):
        if row:
            _compare(source, Tile(level, (size >> (8 * level)) // TILE_WIDTH, len(row)), row, scan)
    scan.root = head.root()
    return scan


def _append(head: TreeHead, leaves: list[bytes]) -> None:
    if len(leaves) == TILE_WIDTH:
        head.append_subtree(8, compute_tile_root(leaves))
        return
    for leaf in leaves:
        head.append(leaf)


def _root_within(head: TreeHead, leaves: list[bytes]) -> bytes:
    within = deepcopy(head)
    for leaf in leaves:
        within.append(leaf)
    return within.root()


def _complete(source: Source, rows: list[list[bytes]], number: int, scan: Scan) -> None:
    """Compare a full tile, and the full tiles above that it completes; then its row begins anew."""
    level = 0
    while len(rows[level]) == TILE_WIDTH:
        _compare(source, Tile(level, number), rows[level], scan)
        if level + 1 == len(rows):
            rows.append([])
        rows[level + 1].append(compute_tile_root(rows[level]))
        rows[level] = []
        level, number = level + 1, number // TILE_WIDTH


def _compare(source: Source, tile: Tile, computed: list[bytes], scan: Scan) -> None:
    scan.tiles += 1
    for position, (served, expected) in enumerate(zip(read_tile(source, tile), computed, strict=True)):
        if served != expected:
            raise Refused("TILE_INVALID", f"{tile.path}, hash {position}", expected=expected.hex(), found=served.hex())


def check_scan_root(scan: Scan, root: bytes) -> None:
    """Check the computed root against a signed one. Raises Refused ROOT_MISMATCH."""
    if scan.root != root:
        raise Refused("ROOT_MISMATCH", "root", expected=root.hex(), found=scan.root.hex())


class TileNodes:
    """Reads the hash of any complete subtree from a log's tiles; each tile once."""

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self._size = size
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of the subtree of 2^level entries at `index`; below a tile's level it is computed from it."""
        tile_level, below = divmod(level, 8)
        first = index << below
        hashes = self._read(tile_level, first // TILE_WIDTH)
        start = first % TILE_WIDTH
        head = TreeHead()
        for node in hashes[start : start + (1 << below)]:
            head.append(node)
        return head.root()

    def _read(self, level: int, index: int) -> list[bytes]:
        if (level, index) not in self._tiles:
            width = width_at(level, index, self._size)
            self._tiles[level, index] = read_tile(self._source, Tile(level, index, width))
        return self._tiles[level, index]
