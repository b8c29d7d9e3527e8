"""Growing by many leaves at once gives the same tree, tiles and proofs as appending them one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustlog.merkle.edge import Edge
from trustlog.merkle.growth import Frontier, advance, grow
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_inclusion

LEAVES = [hash_leaf(b"%d" % number) for number in range(70_000)]


@pytest.mark.parametrize("old", range(34))
def test_every_growth_of_a_small_tree_proves_every_new_leaf_to_the_same_root(old: int) -> None:
    edge, _ = Edge.empty().append(LEAVES[:old])
    for new in range(old + 1, 67):
        growth = grow(Frontier.of_edge(edge), LEAVES[old:new])
        expected, _ = edge.append(LEAVES[old:new])
        assert growth.root == expected.root()
        assert list(growth.leaf_hashes) == LEAVES[old:new]
        for index in range(old, new):
            check_inclusion(growth.inclusion_proof(index), index, new, LEAVES[index], growth.root)


@given(st.lists(st.integers(1, 700), min_size=1, max_size=12))
def test_the_frontier_goes_on_from_growth_to_growth_like_the_edge(steps: list[int]) -> None:
    edge, frontier, size = Edge.empty(), Frontier.of_edge(Edge.empty()), 0
    for step in steps:
        leaves = LEAVES[size : size + step]
        growth = grow(frontier, leaves)
        frontier, tiles = advance(frontier, growth)
        edge, expected_tiles = edge.append(leaves)
        size += step
        assert growth.root == edge.root()
        assert sorted(tiles) == sorted(expected_tiles)
        assert frontier == Frontier.of_edge(edge)


@pytest.mark.parametrize(("old", "new"), [(65_530, 65_540), (65_536, 65_537), (0, 65_536), (0, 69_999), (255, 66_000)])
def test_growth_across_full_tiles_of_two_levels(old: int, new: int) -> None:
    edge, _ = Edge.empty().append(LEAVES[:old])
    growth = grow(Frontier.of_edge(edge), LEAVES[old:new])
    frontier, tiles = advance(Frontier.of_edge(edge), growth)
    expected, expected_tiles = edge.append(LEAVES[old:new])
    assert (growth.root, frontier, sorted(tiles)) == (expected.root(), Frontier.of_edge(expected), sorted(expected_tiles))
    for index in {old, (old + new) // 2, new - 1}:
        check_inclusion(growth.inclusion_proof(index), index, new, LEAVES[index], growth.root)
