"""Growing a tree by many leaves at once: every new node computed once, and all proofs, tiles and the root read off them.

Appending the leaves [old, new) changes only nodes that cover one of them. :func:`grow` computes these, level by level, and
beside them keeps the few old nodes that their proofs need: at each level at most one, the last complete subtree of the old
tree, a *peak*. There is a peak at level L exactly where bit L of the old size is set (RFC 9162 §2.1.1), so a tree can go on
from its peaks alone.

Picture of old = 5, new = 8; peaks are ``[0..3]`` and ``[4]``, new nodes are starred::

    level 3                *
    level 2      [0..3]          *
    level 1                  *       *
    level 0                [4]  *  *   *
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import EMPTY_ROOT, HASH_SIZE, fold_complete
from trustlog.merkle.tiles import TILE_HEIGHT, TILE_WIDTH, Tile


@dataclass(frozen=True, slots=True)
class Frontier:
    """All of the tree of `size` leaves that growing it needs.

    ``peaks`` maps a level to the hash of the last complete subtree there, for each bit of `size` that is set. ``tails[L]`` is
    the content of the incomplete tile at tile level L, as in :class:`~trustlog.merkle.edge.Edge`.
    """

    size: int
    peaks: Mapping[int, bytes]
    tails: tuple[bytes, ...]

    @classmethod
    def of_edge(cls, edge: Edge) -> Frontier:
        """The frontier of the tree that `edge` is the edge of."""
        peaks: dict[int, bytes] = {}
        for tile_level, tail in enumerate(edge.rows):
            start, width = 0, len(tail) // HASH_SIZE
            for height in reversed(range(TILE_HEIGHT)):
                if width >> height & 1:
                    end = start + (1 << height)
                    peaks[tile_level * TILE_HEIGHT + height] = fold_complete(tail[start * HASH_SIZE : end * HASH_SIZE])
                    start = end
        return cls(edge.size, peaks, edge.rows)


@dataclass(frozen=True, slots=True)
class Growth:
    """What appending the leaves [old_size, size) computed.

    ``rows[L]`` are the nodes of level L from number ``starts[L]`` to the right edge of the tree; the last may stand for an
    incomplete subtree. ``rows[0]`` ends with the appended leaf hashes; the last row is the root alone.
    """

    old_size: int
    size: int
    starts: tuple[int, ...]
    rows: tuple[Sequence[bytes], ...]

    @property
    def root(self) -> bytes:
        """The root of the grown tree, 32 bytes."""
        return self.rows[-1][0] if self.rows else EMPTY_ROOT

    @property
    def leaf_hashes(self) -> Sequence[bytes]:
        """The hashes of the appended leaves."""
        return self.rows[0][self.old_size - self.starts[0] :] if self.rows else []

    def inclusion_proof(self, index: int) -> list[bytes]:
        """That the leaf at `index`, one of those appended, is in the grown tree (RFC 9162 §2.1.3): the siblings on its way up."""
        assert self.old_size <= index < self.size
        proof: list[bytes] = []
        for start, row in zip(self.starts, self.rows, strict=True):
            sibling = (index ^ 1) - start
            if 0 <= sibling < len(row):
                proof.append(row[sibling])
            index >>= 1
        return proof


def grow(before: Frontier, leaf_hashes: Sequence[bytes]) -> Growth:
    """The nodes of the tree of `before` with `leaf_hashes` (32 bytes each, at least one) appended."""
    row, first = list(leaf_hashes), before.size
    starts: list[int] = []
    rows: list[Sequence[bytes]] = []
    while True:
        if first & 1:
            row.insert(0, before.peaks[len(rows)])
            first -= 1
        starts.append(first)
        rows.append(row)
        if first == 0 and len(row) == 1:
            return Growth(before.size, before.size + len(leaf_hashes), tuple(starts), tuple(rows))
        pairs = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]
        row = [*pairs, row[-1]] if len(row) % 2 else pairs  # the last has no sibling: it goes up as it is
        first >>= 1


def advance(before: Frontier, growth: Growth) -> tuple[Frontier, list[tuple[Tile, bytes]]]:
    """The frontier of the grown tree, and the tiles that changed, each with its content.

    For every level first those that became full, from left to right, then the partial one, if it grew.
    """
    size = growth.size
    peaks = {level: _peak(before, growth, level) for level in range(size.bit_length()) if size >> level & 1}
    tails: list[bytes] = []
    tiles: list[tuple[Tile, bytes]] = []
    for tile_level in range((size.bit_length() + TILE_HEIGHT - 1) // TILE_HEIGHT):
        level = tile_level * TILE_HEIGHT
        old_count, count = before.size >> level, size >> level
        tail = before.tails[tile_level] if tile_level < len(before.tails) else b""
        if count > old_count:
            skipped = old_count - growth.starts[level]
            content = tail + b"".join(growth.rows[level][skipped : skipped + count - old_count])
            index = old_count // TILE_WIDTH
            while len(content) >= TILE_WIDTH * HASH_SIZE:
                tiles.append((Tile(tile_level, index), content[: TILE_WIDTH * HASH_SIZE]))
                content, index = content[TILE_WIDTH * HASH_SIZE :], index + 1
            if content:
                tiles.append((Tile(tile_level, index, len(content) // HASH_SIZE), content))
            tail = content
        tails.append(tail)
    while tails and not tails[-1]:
        tails.pop()
    return Frontier(size, peaks, tuple(tails)), tiles


def _peak(before: Frontier, growth: Growth, level: int) -> bytes:
    """The last complete subtree of the grown tree at a level where its size has a bit."""
    position = (growth.size >> level) - 1 - growth.starts[level]
    return growth.rows[level][position] if position >= 0 else before.peaks[level]
