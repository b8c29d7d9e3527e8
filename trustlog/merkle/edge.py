"""The right edge of a growing tree: all that is needed to append leaves and to compute the root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from trustlog.merkle.hashing import EMPTY_ROOT, HASH_SIZE, fold, fold_complete, split_hashes
from trustlog.merkle.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, TileReader, read_checked_tiles, tile_width

_FULL_TILE_BYTES = TILE_WIDTH * HASH_SIZE


@dataclass(frozen=True, slots=True)
class Edge:
    """The incomplete rightmost tiles of the tree of `size` leaves.

    ``rows[L]`` is the content of the one at level L: 0 … 255 hashes, concatenated. The last row is never
    empty, so equal trees have equal edges. At most 255 hashes a level: some 16 KB for a million leaves.
    """

    size: int
    rows: tuple[bytes, ...]

    @classmethod
    def empty(cls) -> Self:
        """The edge of the empty tree."""
        return cls(0, ())

    @classmethod
    def from_tiles(cls, size: int, read_tiles: TileReader) -> Self:
        """The edge of the tree of `size` leaves, from its partial tiles. Raises Refused(TILE_MALFORMED).

        The tiles are believed: compare :meth:`root` with a signed one.
        """
        tiles = partial_tiles(size)
        contents = {t.level: content for t, content in read_checked_tiles(read_tiles, tiles).items()}
        levels = max(contents, default=-1) + 1
        return cls(size, tuple(contents.get(level, b"") for level in range(levels)))

    def append(self, leaf_hashes: Sequence[bytes]) -> tuple[Edge, list[tuple[Tile, bytes]]]:
        """The edge after `leaf_hashes` (32 bytes each), and the new tiles, each with its content.

        First the tiles that became full, from level 0 up and left to right; then the partial tiles that
        changed. A partial tile that did not change is not among them: it was when it last grew.
        """
        assert all(len(h) == HASH_SIZE for h in leaf_hashes)
        rows: list[bytes] = []
        full: list[tuple[Tile, bytes]] = []
        partial: list[tuple[Tile, bytes]] = []
        carry = list(leaf_hashes)  # what this level gets from the one below
        while carry or len(rows) < len(self.rows):
            level = len(rows)
            before = self.rows[level] if level < len(self.rows) else b""
            row = before + b"".join(carry)
            grew, carry = bool(carry), []
            index = self.size >> (TILE_HEIGHT * (level + 1))
            for start in range(0, len(row) - len(row) % _FULL_TILE_BYTES, _FULL_TILE_BYTES):
                content = row[start : start + _FULL_TILE_BYTES]
                full.append((Tile(level, index), content))
                carry.append(fold_complete(content))
                index += 1
            row = row[len(row) - len(row) % _FULL_TILE_BYTES :]
            if grew and row:
                partial.append((Tile(level, index, len(row) // HASH_SIZE), row))
            rows.append(row)
        while rows and not rows[-1]:
            rows.pop()
        return Edge(self.size + len(leaf_hashes), tuple(rows)), full + partial

    def root(self) -> bytes:
        """The root hash, 32 bytes."""
        root: bytes | None = None
        for row in self.rows:  # all that is right of a row's hashes is what the rows below folded into
            root = fold(split_hashes(row), root)
        return EMPTY_ROOT if root is None else root


def partial_tiles(size: int) -> list[Tile]:
    """The partial tiles of the tree of `size` leaves, from level 0 up."""
    tiles = []
    level = 0
    while size >> (TILE_HEIGHT * level):
        index = size >> (TILE_HEIGHT * (level + 1))
        width = tile_width(level, index, size)
        if width:
            tiles.append(Tile(level, index, width))
        level += 1
    return tiles
