"""Reads a whole log once: every entry bundle to the root, and every tile at every level against it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from contextlib import closing
from dataclasses import dataclass, field

from verifier import limits
from verifier.edge import RightEdge
from verifier.errors import Refused
from verifier.reading import BundleRead, Look, Plan, check_tile
from verifier.source import Source, read_tile
from verifier.tiles import TILE_WIDTH, Tile, width_at
from verifier.tree import EMPTY_ROOT, HASH_SIZE, TreeHead
from verifier.workers import read_ranges

OnBundle = Callable[[BundleRead], None]
OnEdge = Callable[[RightEdge], None]  # after each full bundle
OnProgress = Callable[[int, int], None]  # entries read so far, and all

_BUNDLES = 16  # of one range, where only hashes are computed
_DEEP_BUNDLES = 4  # of one range, where signatures are checked


@dataclass
class Scan:
    """What one pass found: size and root, and the roots and leaf hashes that were asked for.

    `tiles` counts the tiles that were compared, `begun_at` is the index where this pass began.
    """

    size: int = 0
    root: bytes = EMPTY_ROOT
    roots: dict[int, bytes] = field(default_factory=dict)
    leaf_hashes: dict[int, bytes] = field(default_factory=dict)
    tiles: int = 0
    begun_at: int = 0


def scan_log(
    source: Source,
    size: int,
    *,
    root: bytes | None = None,
    look: Look | None = None,
    sizes: Collection[int] = (),
    indexes: Collection[int] = (),
    edge: RightEdge | None = None,
    workers: int = 1,
    on_bundle: OnBundle | None = None,
    on_edge: OnEdge | None = None,
    on_progress: OnProgress | None = None,
) -> Scan:
    """Read the tree of `size` entries: compute it from the entry bundles and compare every tile with it.

    Wanted besides are the roots at `sizes` and the leaf hashes at `indexes`. With an `edge`, what is below it was read
    before, and sizes and indexes below it are not answered. Raises Refused BUNDLE_MALFORMED, TILE_MALFORMED or
    TILE_INVALID, ROOT_MISMATCH if the entries do not lead to `root`, and Unavailable for what is not there. Memory is
    bounded by a few bundles a worker.
    """
    edge = edge or RightEdge()
    scan = Scan(size, begun_at=edge.size)
    wanted = _Wanted(scan, sizes, indexes)
    plan = Plan(source.location, size, look or Look(), wanted.bundles())
    tail = b""
    with closing(_read_bundles(source, plan, edge.size // TILE_WIDTH, workers)) as bundles:
        for bundle in bundles:
            wanted.take(bundle, edge)
            scan.tiles += 1  # the tile beside the bundle
            if on_bundle is not None:
                on_bundle(bundle)
            if bundle.subtree is None:
                tail = bundle.leaves
            else:
                _append(source, edge, bundle.subtree, scan)
                if on_edge is not None:
                    on_edge(edge)
            if on_progress is not None:
                on_progress(bundle.first + bundle.width, size)
    scan.root = edge.root_with(tail)
    if root is not None and scan.root != root:
        raise Refused("ROOT_MISMATCH", "root", expected=root.hex(), found=scan.root.hex())
    for tile, computed in edge.partial_tiles():
        _compare(source, tile, computed, scan)
    return scan


class _Wanted:
    """The roots and leaf hashes that were asked for, taken from the bundles as they pass."""

    def __init__(self, scan: Scan, sizes: Collection[int], indexes: Collection[int]) -> None:
        self._scan = scan
        self._sizes = sorted({at for at in sizes if scan.begun_at < at <= scan.size})
        self._indexes = sorted({index for index in indexes if scan.begun_at <= index < scan.size})

    def bundles(self) -> frozenset[int]:
        """The numbers of the bundles whose leaf hashes are needed."""
        return frozenset({(at - 1) // TILE_WIDTH for at in self._sizes} | {at // TILE_WIDTH for at in self._indexes})

    def take(self, bundle: BundleRead, edge: RightEdge) -> None:
        """Answer what lies in this bundle; `edge` is that below it."""
        end = bundle.first + bundle.width
        while self._sizes and self._sizes[0] <= end:
            at = self._sizes.pop(0)
            self._scan.roots[at] = edge.root_with(bundle.leaves[: (at - bundle.first) * HASH_SIZE])
        while self._indexes and self._indexes[0] < end:
            index = self._indexes.pop(0)
            begin = (index - bundle.first) * HASH_SIZE
            self._scan.leaf_hashes[index] = bundle.leaves[begin : begin + HASH_SIZE]


def _read_bundles(source: Source, plan: Plan, first: int, workers: int) -> Generator[BundleRead, None, None]:
    last = (plan.size + TILE_WIDTH - 1) // TILE_WIDTH
    count = _DEEP_BUNDLES if plan.look.deep else _BUNDLES
    ranges = (range(begin, min(begin + count, last)) for begin in range(first, last, count))
    worth = limits.PARALLEL_DEEP_ENTRIES if plan.look.deep else limits.PARALLEL_ENTRIES
    if plan.size - first * TILE_WIDTH < worth:
        workers = 1
    with closing(read_ranges(source, plan, ranges, workers=workers)) as read:
        for bundles in read:
            yield from bundles


def _append(source: Source, edge: RightEdge, subtree: bytes, scan: Scan) -> None:
    for tile, computed in edge.append(subtree):
        _compare(source, tile, computed, scan)


def _compare(source: Source, tile: Tile, computed: bytes, scan: Scan) -> None:
    scan.tiles += 1
    check_tile(tile, read_tile(source, tile), computed)


class TileNodes:
    """Reads the hash of any complete subtree from a log's tiles; each tile once."""

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self._size = size
        self._tiles: dict[tuple[int, int], bytes] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of the subtree of 2^level entries at `index`; below a tile's level it is computed from it."""
        tile_level, below = divmod(level, 8)
        first = index << below
        hashes = self._read(tile_level, first // TILE_WIDTH)
        start = first % TILE_WIDTH
        head = TreeHead()
        for at in range(start, start + (1 << below)):
            head.append(hashes[at * HASH_SIZE : (at + 1) * HASH_SIZE])
        return head.root()

    def _read(self, level: int, index: int) -> bytes:
        if (level, index) not in self._tiles:
            width = width_at(level, index, self._size)
            self._tiles[level, index] = read_tile(self._source, Tile(level, index, width))
        return self._tiles[level, index]
