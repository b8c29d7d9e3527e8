"""Proofs from stored tiles, for a tree of one size."""

from __future__ import annotations

from collections.abc import Sequence

from trustlog.merkle.proofs import Node, compute_root, prove_consistency, prove_inclusion
from trustlog.merkle.tiles import Tile, TileNodes
from trustlog.storage.log_reader import LogReader


class Prover:
    """Makes proofs to the tree of `size` leaves; reads each tile and computes each node once. For one request, or one batch."""

    def __init__(self, reader: LogReader, size: int) -> None:
        self._reader = reader
        self._size = size
        self._tiles: dict[Tile, bytes] = {}
        self._nodes: dict[Node, bytes] = {}
        self._compute_nodes = TileNodes(self._read_tiles, size)

    def inclusion(self, index: int) -> list[bytes]:
        """That the leaf at `index` is in the tree."""
        return prove_inclusion(self._read_nodes, index, self._size)

    def consistency(self, old_size: int) -> list[bytes]:
        """That the tree of `old_size` leaves begins this one; empty for size 0 and for this size."""
        return prove_consistency(self._read_nodes, old_size, self._size)

    def root(self, size: int | None = None) -> bytes:
        """The root of this tree, or of the smaller one of `size` leaves that begins it."""
        return compute_root(self._read_nodes, self._size if size is None else size)

    def _read_nodes(self, nodes: Sequence[Node]) -> list[bytes]:
        missing = [node for node in nodes if node not in self._nodes]
        self._nodes.update(zip(missing, self._compute_nodes(missing), strict=True))
        return [self._nodes[node] for node in nodes]

    def _read_tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        missing = [tile for tile in tiles if tile not in self._tiles]
        self._tiles.update(zip(missing, self._reader.tiles(missing), strict=True))
        return [self._tiles[tile] for tile in tiles]
