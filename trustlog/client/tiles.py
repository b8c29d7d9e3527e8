"""Tiles and entry bundles of a log, read over HTTP; entries are proven from the tiles, the tiles by nothing but that.

A log may drop a partial tile once a larger one stands (C2SP tlog-tiles): where a partial one is gone, the full one is read and cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeVar

from trustlog.client.http import Http
from trustlog.errors import Refused
from trustlog.formats.bundle import parse_bundle
from trustlog.formats.checkpoint import Checkpoint
from trustlog.limits import MAX_ENTRY_BYTES
from trustlog.merkle.hashing import HASH_SIZE, hash_leaf
from trustlog.merkle.proofs import check_inclusion, plan_inclusion, prove_inclusion
from trustlog.merkle.tiles import TILE_WIDTH, Tile, TileNodes, entry_bundle_path, node_location

READS_AT_ONCE: Final = 8

_LENGTH_PREFIX_BYTES: Final = 2
T = TypeVar("T")


async def read_tile(http: Http, tile: Tile) -> bytes:
    """The content of a tile, of exactly its width. Raises Refused (``NOT_FOUND``, ``TILE_MALFORMED``). It is not proven."""
    try:
        content = (await http.get(tile.path(), max_bytes=tile.byte_size)).body
    except Refused as refusal:
        if tile.is_full or refusal.code != "NOT_FOUND":
            raise
        full = Tile(tile.level, tile.index)
        content = (await http.get(full.path(), max_bytes=full.byte_size)).body[: tile.byte_size]
    if len(content) != tile.byte_size:
        raise Refused(
            "TILE_MALFORMED",
            "the tile has another length",
            param=tile.path(),
            expected=f"{tile.width} hashes of {HASH_SIZE} bytes",
            found=f"{len(content)} bytes",
        )
    return content


async def read_bundle(http: Http, index: int, width: int) -> list[bytes]:
    """The first `width` entries of bundle `index`. Raises Refused (``NOT_FOUND``, ``BUNDLE_MALFORMED``). They are not proven."""
    try:
        return await _read_exact_bundle(http, index, width)
    except Refused as refusal:
        if width == TILE_WIDTH or refusal.code != "NOT_FOUND":
            raise
    return (await _read_exact_bundle(http, index, TILE_WIDTH))[:width]


async def read_entries(http: Http, start: int, end: int, tree: Checkpoint) -> list[bytes]:
    """The entries [start, end) of a tree whose checkpoint was accepted, each proven under its root.

    The inclusion proofs are computed from the log's own tiles and checked against the signed root, so a false tile, like a false
    entry, ends as ``INCLUSION_PROOF_INVALID``.
    """
    assert 0 <= start <= end <= tree.size
    entries = await read_entries_unproven(http, start, end, tree.size)
    indexes = range(start, end)
    tiles = sorted(_tiles_of_proofs(indexes, tree.size))
    contents = dict(zip(tiles, await gather_bounded([partial(read_tile, http, tile) for tile in tiles]), strict=True))
    read = TileNodes(lambda asked: [contents[tile] for tile in asked], tree.size)
    for index, entry in zip(indexes, entries, strict=True):
        check_inclusion(prove_inclusion(read, index, tree.size), index, tree.size, hash_leaf(entry), tree.root)
    return entries


async def read_entries_unproven(http: Http, start: int, end: int, size: int) -> list[bytes]:
    """The entries [start, end) as the log's bundles at `size` give them: for a caller who proves them."""
    if start >= end:
        return []
    numbers = range(start // TILE_WIDTH, (end - 1) // TILE_WIDTH + 1)
    reads = [partial(read_bundle, http, number, min(TILE_WIDTH, size - number * TILE_WIDTH)) for number in numbers]
    entries = [entry for bundle in await gather_bounded(reads) for entry in bundle]
    first = numbers.start * TILE_WIDTH
    return entries[start - first : end - first]


async def gather_bounded(reads: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """The results of `reads`, in order, a few of them under way at once; the first failure ends them all and is raised."""
    turns = asyncio.Semaphore(READS_AT_ONCE)

    async def take_turn(read: Callable[[], Awaitable[T]]) -> T:
        async with turns:
            return await read()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(take_turn(read)) for read in reads]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _read_exact_bundle(http: Http, index: int, width: int) -> list[bytes]:
    max_bytes = width * (_LENGTH_PREFIX_BYTES + MAX_ENTRY_BYTES)
    return parse_bundle((await http.get(entry_bundle_path(index, width), max_bytes=max_bytes)).body, width)


def _tiles_of_proofs(indexes: Iterable[int], size: int) -> set[Tile]:
    nodes = {node for index in indexes for cover in plan_inclusion(index, size) for node in cover}
    return {node_location(level, index, size)[0] for level, index in nodes}
