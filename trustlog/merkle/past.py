"""The past of a growing tree: its root at every size that it ever had.

All complete nodes are kept, 64 bytes a leaf, so that appending hashes each node once, and a root of the past costs as many hashes
as its size has set bits, at most.
"""

from __future__ import annotations

from collections.abc import Sequence

from trustlog.merkle.hashing import HASH_SIZE, hash_node
from trustlog.merkle.proofs import Node, compute_root


class PastTrees:
    """The tree of `size` leaves, and every tree that it was before."""

    def __init__(self) -> None:
        self.size = 0
        self._rows: list[bytearray] = [bytearray()]  # the complete nodes of each level, concatenated

    def append(self, leaf_hash: bytes) -> None:
        """Append one leaf hash (32 bytes)."""
        index, level, node = self.size, 0, leaf_hash
        self._rows[0] += node
        while index & 1:  # it completes the subtree above
            node = hash_node(bytes(self._rows[level][-2 * HASH_SIZE : -HASH_SIZE]), node)
            index, level = index >> 1, level + 1
            if level == len(self._rows):
                self._rows.append(bytearray())
            self._rows[level] += node
        self.size += 1

    def leaf_hash(self, index: int) -> bytes:
        """The leaf hash at an index below :attr:`size`, 32 bytes."""
        assert 0 <= index < self.size
        return self._node(0, index)

    def root_at(self, size: int) -> bytes:
        """The root hash, 32 bytes, when the tree had `size` leaves: at most as many as it has."""
        assert 0 <= size <= self.size
        return compute_root(self._read, size)

    def _read(self, nodes: Sequence[Node]) -> list[bytes]:
        return [self._node(level, index) for level, index in nodes]

    def _node(self, level: int, index: int) -> bytes:
        return bytes(self._rows[level][index * HASH_SIZE : (index + 1) * HASH_SIZE])
