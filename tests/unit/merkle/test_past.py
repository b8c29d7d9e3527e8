"""The past of a growing tree: every root that it ever had, as the edge had it then."""

from __future__ import annotations

from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import EMPTY_ROOT, hash_leaf
from trustlog.merkle.past import PastTrees

LEAVES = [hash_leaf(b"%d" % number) for number in range(1_100)]


def test_every_root_that_the_tree_had_is_the_edges() -> None:
    past, edge, roots = PastTrees(), Edge.empty(), [EMPTY_ROOT]
    for leaf in LEAVES:
        past.append(leaf)
        edge, _tiles = edge.append([leaf])
        roots.append(edge.root())
    assert past.size == len(LEAVES)
    assert [past.root_at(size) for size in range(len(LEAVES) + 1)] == roots


def test_the_leaves_are_those_that_were_appended() -> None:
    past = PastTrees()
    for leaf in LEAVES[:300]:
        past.append(leaf)
    assert [past.leaf_hash(index) for index in range(300)] == LEAVES[:300]
