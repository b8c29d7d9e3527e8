from __future__ import annotations

import pytest

from tests.property.merkle.reference import leaf_hashes, mth
from trustlog.errors import Refused
from trustlog.merkle.hashing import EMPTY_ROOT, fold, hash_leaf, hash_node
from trustlog.merkle.proofs import check_consistency, check_inclusion, plan_consistency, plan_inclusion, plan_root

LEAVES = leaf_hashes(8)
ROOT = mth(LEAVES)


def test_leaves_and_nodes_are_hashed_apart() -> None:
    left, right = LEAVES[:2]
    assert hash_leaf(left + right) != hash_node(left, right)
    assert hash_leaf(b"") != EMPTY_ROOT


def test_a_fold_of_nothing_is_nothing() -> None:
    assert fold([]) is None
    assert fold([], LEAVES[0]) == LEAVES[0]


def test_plans_name_complete_subtrees_from_left_to_right() -> None:
    assert plan_root(0) == []
    assert plan_root(7) == [[(2, 0), (1, 2), (0, 6)]]
    assert plan_inclusion(4, 7) == [[(0, 5)], [(0, 6)], [(2, 0)]]
    assert plan_inclusion(0, 7) == [[(0, 1)], [(1, 1)], [(1, 2), (0, 6)]]
    assert plan_consistency(3, 7) == [[(0, 2)], [(0, 3)], [(1, 0)], [(1, 2), (0, 6)]]  # RFC 6962 §2.1.3: c, d, g, l
    assert plan_consistency(4, 7) == [[(1, 2), (0, 6)]]  # RFC 6962 §2.1.3: l
    assert plan_consistency(6, 7) == [[(1, 2)], [(0, 6)], [(2, 0)]]  # RFC 6962 §2.1.3: i, j, k
    assert plan_consistency(7, 7) == []
    assert plan_consistency(0, 7) == []


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (0, -1)])
def test_no_plan_for_a_leaf_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(Refused, match="PARAMETER_INVALID"):
        plan_inclusion(index, size)
    with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
        check_inclusion([], index, size, LEAVES[0], LEAVES[0])


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3)])
def test_no_plan_for_a_tree_that_shrank(old: int, new: int) -> None:
    with pytest.raises(Refused, match="PARAMETER_INVALID"):
        plan_consistency(old, new)
    with pytest.raises(Refused, match="CONSISTENCY_PROOF_INVALID"):
        check_consistency([], old, new, ROOT, ROOT, empty_old_ok=True)


def test_from_the_empty_tree_the_caller_decides() -> None:
    check_consistency([], 0, 8, EMPTY_ROOT, ROOT, empty_old_ok=True)
    check_consistency([], 0, 0, EMPTY_ROOT, EMPTY_ROOT, empty_old_ok=True)
    for old_root, new_root, new, proof, empty_old_ok in [
        (EMPTY_ROOT, ROOT, 8, [], False),
        (EMPTY_ROOT, EMPTY_ROOT, 0, [], False),
        (ROOT, ROOT, 8, [], True),
        (EMPTY_ROOT, ROOT, 0, [], True),
        (EMPTY_ROOT, ROOT, 8, [ROOT], True),
    ]:
        with pytest.raises(Refused, match="CONSISTENCY_PROOF_INVALID"):
            check_consistency(proof, 0, new, old_root, new_root, empty_old_ok=empty_old_ok)


def test_a_tree_is_consistent_with_itself_and_only_itself() -> None:
    check_consistency([], 8, 8, ROOT, ROOT, empty_old_ok=False)
    with pytest.raises(Refused):
        check_consistency([], 8, 8, ROOT, EMPTY_ROOT, empty_old_ok=False)
    with pytest.raises(Refused):
        check_consistency([ROOT], 8, 8, ROOT, ROOT, empty_old_ok=False)


def test_hashes_of_a_wrong_length_are_refused_even_if_they_fold_right() -> None:
    left, right = b"\x00" * 31, b"\x00" * 33
    root = hash_node(left, right)
    with pytest.raises(Refused, match="wrong length"):
        check_inclusion([right], 0, 2, left, root)
    with pytest.raises(Refused, match="wrong length"):
        check_consistency([right], 1, 2, left, root, empty_old_ok=False)


def test_a_node_is_no_leaf() -> None:
    left, right = mth(LEAVES[:4]), mth(LEAVES[4:])
    check_inclusion([right], 0, 2, left, ROOT)  # the same root says so for size 2: sizes are signed with the root
    with pytest.raises(Refused):
        check_inclusion([right], 0, 8, left, ROOT)
