"""Proofs for a pack: computed from tiles, checked under the root that the checkpoint signs.

The tiles are believed for nothing: a false one, like a false entry, ends as ``INCLUSION_PROOF_INVALID`` or
``CONSISTENCY_PROOF_INVALID``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trustlog.evidence.pack import PackedView
from trustlog.evidence.source import Source
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import (
    Node,
    NodeReader,
    check_consistency,
    check_inclusion,
    compute_root,
    plan_consistency,
    plan_inclusion,
    plan_root,
    prove_consistency,
    prove_inclusion,
)
from trustlog.merkle.tiles import TileNodes, node_location


@dataclass(frozen=True, slots=True)
class Proofs:
    """Inclusion proofs by index, and one view for each smaller tree asked for, ascending."""

    inclusion: Mapping[int, tuple[bytes, ...]]
    views: tuple[PackedView, ...]


async def prove(source: Source, entries: Mapping[int, bytes], sizes: Iterable[int]) -> Proofs:
    """The proofs that `entries` are in the source's tree, and that the trees of `sizes` begin it. Raises Refused."""
    older = sorted(set(sizes))
    nodes = sorted(_plan(entries, older, source.size))
    tiles = sorted({node_location(level, index, source.size)[0] for level, index in nodes})
    contents = dict(zip(tiles, await source.tiles(tiles), strict=True))
    read_nodes = TileNodes(lambda asked: [contents[tile] for tile in asked], source.size)

    def compute() -> Proofs:
        hashes = dict(zip(nodes, read_nodes(nodes), strict=True))
        return _prove(source, entries, older, lambda asked: [hashes[node] for node in asked])

    return await asyncio.to_thread(compute)


def _plan(indexes: Iterable[int], sizes: Iterable[int], size: int) -> set[Node]:
    plans = [plan_inclusion(index, size) for index in indexes]
    for older in sizes:
        plans += (plan_root(older), plan_consistency(older, size))
    return {node for plan in plans for cover in plan for node in cover}


def _prove(source: Source, entries: Mapping[int, bytes], sizes: Sequence[int], read: NodeReader) -> Proofs:
    size, root = source.size, source.root
    inclusion = {}
    for index, data in entries.items():
        proof = prove_inclusion(read, index, size)
        check_inclusion(proof, index, size, hash_leaf(data), root)
        inclusion[index] = tuple(proof)
    views = []
    for older in sizes:
        older_root, proof = compute_root(read, older), prove_consistency(read, older, size)
        check_consistency(proof, older, size, older_root, root, empty_old_ok=True)
        views.append(PackedView(older, older_root, tuple(proof)))
    return Proofs(inclusion, tuple(views))
