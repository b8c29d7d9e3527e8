"""What a read load is checked against: hashes read from a log once, and proven to be those of its signed root."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from trustlog.client.http import Http
from trustlog.client.log import LogClient
from trustlog.client.tiles import gather_bounded, read_tile
from trustlog.errors import Refused
from trustlog.merkle.hashing import HASH_SIZE, fold, fold_complete, split_hashes
from trustlog.merkle.tiles import TILE_WIDTH, Tile, tile_width

KNOWN_SIZES: Final = 64


@dataclass(frozen=True, slots=True)
class View:
    """The tree of `size` leaves with its signed `root`.

    `level1` is all hashes of tile level 1 (one for 256 leaves), `edge` the leaf hashes after the last full tile; `roots` are
    those of some sizes from 1 to `size`.
    """

    size: int
    root: bytes
    level1: bytes
    edge: bytes
    roots: Mapping[int, bytes]

    def subtree(self, index: int) -> bytes:
        """The hash over the 256 leaves of full tile `index`."""
        return self.level1[index * HASH_SIZE : (index + 1) * HASH_SIZE]

    def check_leaves(self, index: int, leaf_hashes: bytes) -> None:
        """`leaf_hashes` (32 bytes each) are those of tile `index` at this size (``TILE_MALFORMED``)."""
        if len(leaf_hashes) == TILE_WIDTH * HASH_SIZE and (index + 1) * TILE_WIDTH <= self.size:
            expected, found = self.subtree(index), fold_complete(leaf_hashes)
        else:
            expected, found = self.edge, leaf_hashes
        if found != expected:
            raise Refused("TILE_MALFORMED", f"the leaf hashes of tile {index} are not those of the signed root")


async def read_view(client: LogClient, *, seed: int) -> View:
    """Read the view of the log as it is now. Raises Refused: what a checkpoint is refused for, TILE_MALFORMED."""
    tree = (await client.checkpoint()).checkpoint
    if tree.size == 0:
        raise Refused("PARAMETER_INVALID", "the log is empty: there is nothing to read", param="log")
    level1_width = tree.size // TILE_WIDTH
    tiles = [Tile(1, index, tile_width(1, index, tree.size)) for index in range(-(-level1_width // TILE_WIDTH))]
    level1 = b"".join(await gather_bounded([partial(read_tile, client.http, tile) for tile in tiles]))
    edge = await _read_leaves(client.http, level1_width, tree.size) if tree.size % TILE_WIDTH else b""
    if _root(level1, edge) != tree.root:
        raise Refused("TILE_MALFORMED", "the log's tiles do not lead to its signed root", expected=tree.root.hex())
    known = View(tree.size, tree.root, level1, edge, {})
    chance = random.Random(seed)  # noqa: S311 - the same sizes again for the same seed
    sizes = sorted(chance.sample(range(1, tree.size + 1), min(KNOWN_SIZES, tree.size)))
    return View(tree.size, tree.root, level1, edge, {size: await _root_at(client.http, known, size) for size in sizes})


async def _root_at(http: Http, view: View, size: int) -> bytes:
    """The root of the first `size` leaves."""
    full, rest = divmod(size, TILE_WIDTH)
    leaves = b""
    if rest:
        leaves = await _read_leaves(http, full, view.size)
        view.check_leaves(full, leaves)
    return _root(view.level1[: full * HASH_SIZE], leaves[: rest * HASH_SIZE])


async def _read_leaves(http: Http, index: int, size: int) -> bytes:
    return await read_tile(http, Tile(0, index, tile_width(0, index, size)))


def _root(level1: bytes, leaves: bytes) -> bytes:
    root = fold(split_hashes(level1), fold(split_hashes(leaves)))
    assert root is not None  # no tree here is empty
    return root
