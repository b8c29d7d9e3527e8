"""The whole log, read back from its entry bundles and computed again: its root is the signed one, and our entries are in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trustlog.bench.judging import NOT_LOGGED, Judged
from trustlog.bench.load import Load
from trustlog.client.log import LogClient
from trustlog.client.tiles import read_entries_unproven
from trustlog.errors import Refused
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import HASH_SIZE, hash_leaf
from trustlog.merkle.tiles import TILE_WIDTH

_READ_AT_ONCE: Final = 16 * TILE_WIDTH


async def read_whole(client: LogClient, load: Load, judged: Judged, report: Callable[[int, int], None]) -> int:
    """Read and recompute everything; the tree's size.

    Raises Refused: CHECKPOINT_INCONSISTENT if the entries are not those of the signed root, LOG_LIES if a receipt is not where
    the log said.
    """
    tree = (await client.checkpoint()).checkpoint
    edge = Edge.empty()
    leaf_hashes = bytearray()
    for start in range(0, tree.size, _READ_AT_ONCE):
        end = min(start + _READ_AT_ONCE, tree.size)
        hashes = [hash_leaf(entry) for entry in await read_entries_unproven(client.http, start, end, tree.size)]
        edge, _ = edge.append(hashes)
        leaf_hashes += b"".join(hashes)
        report(end, tree.size)
    if edge.root() != tree.root:
        raise Refused(
            "CHECKPOINT_INCONSISTENT",
            "the entries that the log serves are not those that it signed",
            expected=tree.root.hex(),
            found=edge.root().hex(),
        )
    for number, index in enumerate(judged.indexes):
        if index != NOT_LOGGED and leaf_hashes[index * HASH_SIZE : (index + 1) * HASH_SIZE] != load.leaf_hash(number):
            raise Refused("LOG_LIES", f"entry {index} is another than was answered", expected=load.leaf_hash(number).hex())
    return tree.size
