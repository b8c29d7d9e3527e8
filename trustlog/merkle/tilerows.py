"""A tile with the nodes above its hashes, so that each is computed once, however many proofs ask for it."""

from __future__ import annotations

from trustlog.merkle.hashing import hash_node, split_hashes
from trustlog.merkle.tiles import TILE_HEIGHT, TILE_WIDTH


class TileRows:
    """The complete nodes of one tile: ``rows[h][i]`` is over its hashes [i << h, (i + 1) << h)."""

    def __init__(self, content: bytes) -> None:
        """`content` is a multiple of 32 bytes, 256 hashes at most."""
        self.content = content
        row = split_hashes(content)
        rows = [row]
        for _ in range(TILE_HEIGHT):
            row = [hash_node(left, right) for left, right in zip(row[::2], row[1::2], strict=False)]
            rows.append(row)
        self.rows = rows

    @property
    def root(self) -> bytes:
        """What the tile above holds for this one, which must be full."""
        return self.rows[TILE_HEIGHT][0]


def locate(level: int, index: int) -> tuple[int, int, int, int]:
    """Where node ``(level, index)`` is: tile level, tile index, height in the tile, position in that row."""
    tile_level, height = divmod(level, TILE_HEIGHT)
    row_width = TILE_WIDTH >> height
    tile_index, position = divmod(index, row_width)
    return tile_level, tile_index, height, position
