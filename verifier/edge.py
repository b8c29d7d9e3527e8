"""The right edge of a tree whose entry bundles are all full: what is needed to read on, and nothing else.

Above a boundary of bundles a tree of any size is, at each tile level from 1, a row of fewer than 256 hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from verifier.tiles import TILE_WIDTH, Tile, compute_tile_root
from verifier.tree import HASH_SIZE, TreeHead


class RightEdge:
    """The incomplete tiles of levels 1 and up, over `size` entries, a multiple of 256."""

    def __init__(self, rows: Iterable[Sequence[bytes]] = ()) -> None:
        """`rows` are the hashes of the incomplete tile at level 1, at level 2, and so on; each fewer than 256."""
        self._rows = [list(row) for row in rows]
        assert all(len(row) < TILE_WIDTH for row in self._rows), "a full row is a node of the row above"
        self.size = sum(len(row) << (8 * level) for level, row in enumerate(self._rows, start=1))

    @property
    def rows(self) -> tuple[tuple[bytes, ...], ...]:
        """The rows, from level 1 up."""
        return tuple(tuple(row) for row in self._rows)

    def append(self, subtree: bytes) -> Iterator[tuple[Tile, bytes]]:
        """Add the hash over the next 256 entries; gives each tile that it completes, with its bytes."""
        level, node = 1, subtree
        self.size += TILE_WIDTH
        while True:
            if level > len(self._rows):
                self._rows.append([])
            row = self._rows[level - 1]
            row.append(node)
            if len(row) < TILE_WIDTH:
                return
            self._rows[level - 1] = []
            data = b"".join(row)
            yield Tile(level, (self.size >> (8 * level + 8)) - 1), data
            level, node = level + 1, compute_tile_root(data)

    def partial_tiles(self) -> Iterator[tuple[Tile, bytes]]:
        """The incomplete tiles of the tree whose size is this one, or less than 256 above it."""
        for level, row in enumerate(self._rows, start=1):
            if row:
                yield Tile(level, self.size >> (8 * level + 8), len(row)), b"".join(row)

    def root_with(self, leaves: bytes) -> bytes:
        """The root over these entries and then those with these leaf hashes, fewer than 257 of them."""
        head = TreeHead()
        for level in range(len(self._rows), 0, -1):
            for node in self._rows[level - 1]:
                head.append_subtree(8 * level, node)
        for at in range(0, len(leaves), HASH_SIZE):
            head.append(leaves[at : at + HASH_SIZE])
        return head.root()
