"""Checking proofs together accepts exactly what checking each alone accepts."""

from __future__ import annotations

import random

import pytest

from trustlog.bench.proving import SharedProofs
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_inclusion, prove_inclusion
from trustlog.merkle.tiles import Tile, TileNodes


class Tree:
    def __init__(self, size: int) -> None:
        self.size = size
        self.leaves = [hash_leaf(b"%d" % i) for i in range(size)]
        edge, tiles = Edge.empty().append(self.leaves)
        self.root = edge.root()
        self._tiles = dict(tiles)
        self._read = TileNodes(lambda wanted: [self._content(tile) for tile in wanted], size)

    def _content(self, tile: Tile) -> bytes:
        return self._tiles[tile]

    def proof(self, index: int) -> list[bytes]:
        return prove_inclusion(self._read, index, self.size)


def as_text(proof: list[bytes]) -> list[str]:
    return [encode_b64(node) for node in proof]


@pytest.mark.parametrize("size", [*range(1, 70), 255, 256, 257, 300, 511, 513])
def test_every_honest_proof_is_accepted_in_any_order(size: int) -> None:
    tree = Tree(size)
    shared = SharedProofs(size, tree.root)
    order = list(range(size))
    random.Random(size).shuffle(order)  # noqa: S311 - the same order every time
    for index in order * 2:
        shared.check(index, tree.leaves[index], as_text(tree.proof(index)))


def damage(chance: random.Random, index: int, proof: list[bytes], foreign: list[bytes]) -> tuple[int, list[bytes]]:
    """One change, or none."""
    place = chance.randrange(len(proof) + 1)
    before, rest = proof[:place], proof[place:]
    match chance.randrange(6):
        case 0 if rest:
            return index, [*before, bytes([rest[0][0] ^ 1]) + rest[0][1:], *rest[1:]]
        case 1:
            return index, [*before, *rest[1:]]
        case 2:
            return index, [*before, chance.choice(foreign), *rest]
        case 3:
            return index, proof[::-1]
        case 4:
            return index + chance.choice([-1, 1, 2]), proof
    return index, proof


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 64, 100, 257])
@pytest.mark.parametrize("warm", [False, True], ids=["first", "after all honest ones"])
def test_whatever_differs_is_refused_as_by_the_plain_check(size: int, *, warm: bool) -> None:
    tree = Tree(size)
    shared = SharedProofs(size, tree.root)
    if warm:
        for index in range(size):
            shared.check(index, tree.leaves[index], as_text(tree.proof(index)))
    chance = random.Random(size)  # noqa: S311 - the same every time
    for _ in range(400):
        index, leaf = chance.randrange(size), tree.leaves[chance.randrange(size)]
        proof = tree.proof(index)
        index, proof = damage(chance, index, proof, [bytes(32), leaf, tree.root])
        try:
            check_inclusion(proof, index, size, leaf, tree.root)
        except Refused:
            with pytest.raises(Refused):
                shared.check(index, leaf, as_text(proof))
        else:
            shared.check(index, leaf, as_text(proof))


def test_another_root_accepts_nothing() -> None:
    tree = Tree(100)
    shared = SharedProofs(100, bytes(32))
    for _ in range(2):
        for index in range(100):
            with pytest.raises(Refused):
                shared.check(index, tree.leaves[index], as_text(tree.proof(index)))


def test_a_sibling_in_another_spelling_is_refused() -> None:
    tree = Tree(2)
    text = as_text(tree.proof(0))[0]
    for spelled in (text.rstrip("="), text + "\n", text.replace("=", "A"), ""):
        with pytest.raises(Refused):
            SharedProofs(2, tree.root).check(0, tree.leaves[0], [spelled])
