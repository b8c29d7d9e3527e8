from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.merkle.reference import complete_nodes, leaf_hashes, mth, path, proof, reader
from trustlog.errors import Refused
from trustlog.merkle.proofs import (
    check_consistency,
    check_inclusion,
    compute_root,
    plan_consistency,
    plan_inclusion,
    plan_root,
    prove_consistency,
    prove_inclusion,
)

MOST = 300
LEAVES = leaf_hashes(MOST)
NODES = complete_nodes(LEAVES)
ROOTS = [mth(LEAVES[:size]) for size in range(MOST + 1)]


def flip(data: bytes, bit: int) -> bytes:
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def test_the_root_is_the_rfcs_at_every_size() -> None:
    for size in range(MOST + 1):
        assert compute_root(reader(NODES, size), size) == ROOTS[size]


def test_every_leaf_is_proven_in_every_tree() -> None:
    for size in range(1, MOST + 1):
        for index in range(size):
            hashes = prove_inclusion(reader(NODES, size), index, size)
            check_inclusion(hashes, index, size, LEAVES[index], ROOTS[size])


def test_every_tree_is_proven_to_begin_every_later_one() -> None:
    for new in range(1, MOST + 1):
        for old in range(1, new + 1):
            hashes = prove_consistency(reader(NODES, new), old, new)
            check_consistency(hashes, old, new, ROOTS[old], ROOTS[new], empty_old_ok=False)


@pytest.mark.parametrize("size", [*range(1, 34), 63, 64, 65])
def test_the_proofs_are_the_rfcs(size: int) -> None:
    leaves = LEAVES[:size]
    for m in range(size):
        assert prove_inclusion(reader(NODES, size), m, size) == path(m, leaves)
    for m in range(1, size + 1):
        assert prove_consistency(reader(NODES, size), m, size) == proof(m, leaves)


@pytest.mark.parametrize("size", [2, 3, 7, 8])
def test_no_flipped_bit_of_an_inclusion_proof_is_accepted(size: int) -> None:
    for index in range(size):
        hashes = prove_inclusion(reader(NODES, size), index, size)
        parts = [*hashes, LEAVES[index], ROOTS[size]]
        for part in range(len(parts)):
            for bit in range(256):
                bad = [*parts[:part], flip(parts[part], bit), *parts[part + 1 :]]
                with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
                    check_inclusion(bad[:-2], index, size, bad[-2], bad[-1])


@pytest.mark.parametrize("new", [3, 6, 7])
def test_no_flipped_bit_of_a_consistency_proof_is_accepted(new: int) -> None:
    for old in range(1, new + 1):
        parts = [*prove_consistency(reader(NODES, new), old, new), ROOTS[old], ROOTS[new]]
        for part in range(len(parts)):
            for bit in range(256):
                bad = [*parts[:part], flip(parts[part], bit), *parts[part + 1 :]]
                with pytest.raises(Refused, match="CONSISTENCY_PROOF_INVALID"):
                    check_consistency(bad[:-2], old, new, bad[-2], bad[-1], empty_old_ok=True)


@given(st.data())
def test_no_flipped_bit_is_accepted_in_larger_trees(data: st.DataObject) -> None:
    size = data.draw(st.integers(9, MOST))
    index = data.draw(st.integers(0, size - 1))
    hashes = prove_inclusion(reader(NODES, size), index, size)
    at = data.draw(st.integers(0, len(hashes) - 1))
    hashes[at] = flip(hashes[at], data.draw(st.integers(0, 255)))
    with pytest.raises(Refused):
        check_inclusion(hashes, index, size, LEAVES[index], ROOTS[size])


@given(st.data())
def test_a_proof_has_exactly_its_hashes(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, MOST))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size - 1))
    inclusion = prove_inclusion(reader(NODES, size), index, size)
    consistency = prove_consistency(reader(NODES, size), old, size)
    extra = data.draw(st.sampled_from([ROOTS[size], LEAVES[index], b"", bytes(32)]))
    at = data.draw(st.integers(0, len(inclusion)))
    with pytest.raises(Refused):
        check_inclusion([*inclusion[:at], extra, *inclusion[at:]], index, size, LEAVES[index], ROOTS[size])
    with pytest.raises(Refused):
        check_inclusion(inclusion[1:], index, size, LEAVES[index], ROOTS[size])
    at = data.draw(st.integers(0, len(consistency)))
    longer = [*consistency[:at], extra, *consistency[at:]]
    for bad in (longer, consistency[1:], consistency[:-1]):
        with pytest.raises(Refused):
            check_consistency(bad, old, size, ROOTS[old], ROOTS[size], empty_old_ok=True)


@given(st.data())
def test_a_leaf_is_not_proven_at_another_index(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, MOST))
    index, other = data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True))
    hashes = prove_inclusion(reader(NODES, size), index, size)
    with pytest.raises(Refused):
        check_inclusion(hashes, other, size, LEAVES[index], ROOTS[size])


@given(st.integers(1, 2**63 - 1), st.data())
def test_plans_stay_small_and_within_the_largest_trees(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    for plan in (plan_root(size), plan_inclusion(index, size), plan_consistency(old, size)):
        assert len(plan) <= 64
        assert sum(len(cover) for cover in plan) <= 128
        assert all((i + 1) << level <= size for cover in plan for level, i in cover)
