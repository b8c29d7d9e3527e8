"""Roots, inclusion proofs and consistency proofs: planned, computed, checked (RFC 6962 §2.1, §2.1.1, §2.1.2).

Every hash of a proof is the root of a range of leaves. So proving is: *plan* which ranges those are, write
each range as the complete subtrees that cover it, read all of them in one call, and fold each range's into
one hash. Checking walks the same path and folds the other way. A proof has exactly the hashes that its sizes
call for: one more is as wrong as one less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TypeAlias

from trustlog.errors import Refused
from trustlog.merkle.hashing import EMPTY_ROOT, HASH_SIZE, hash_node

Node: TypeAlias = tuple[int, int]
"""``(level, index)``: the complete subtree of 2^level leaves from leaf ``index << level``."""

Plan: TypeAlias = list[list[Node]]
"""One list for each hash of the result: the nodes, left to right and ever smaller, that fold into it."""

NodeReader: TypeAlias = Callable[[Sequence[Node]], Sequence[bytes]]
"""Reads the hashes of nodes, in the order asked, in one call. Its errors pass through."""


# Planning.


def plan_root(size: int) -> Plan:
    """Which nodes make up the root of the tree of `size` leaves; none for the empty tree."""
    return [_cover(0, size)] if size else []


def plan_inclusion(index: int, size: int) -> Plan:
    """Which nodes make up the proof that leaf `index` is in the tree of `size` leaves (PATH in RFC 6962).

    Raises Refused(PARAMETER_INVALID) unless 0 ≤ index < size.
    """
    if not 0 <= index < size:
        raise Refused("PARAMETER_INVALID", "no such leaf", param="index", expected=f"0 ≤ index < {size}", found=index)
    start, end = 0, size
    siblings: Plan = []
    while end - start > 1:  # walk down to the leaf, and note what is beside the path
        middle = start + _largest_power_of_two_below(end - start)
        if index < middle:
            siblings.append(_cover(middle, end))
            end = middle
        else:
            siblings.append(_cover(start, middle))
            start = middle
    return siblings[::-1]


def plan_consistency(old: int, new: int) -> Plan:
    """Which nodes prove that the tree of `old` leaves begins the tree of `new` leaves (PROOF in RFC 6962).

    None are needed from the empty tree, nor from a tree to itself. Raises Refused(PARAMETER_INVALID) unless 0
    ≤ old ≤ new.
    """
    if not 0 <= old <= new:
        raise Refused("PARAMETER_INVALID", "no such sizes", param="from", expected=f"0 ≤ from ≤ {new}", found=old)
    if old == 0:
        return []
    start, end = 0, new
    siblings: Plan = []
    while end != old:  # walk down to the complete subtree that the old tree ends with
        middle = start + _largest_power_of_two_below(end - start)
        if old <= middle:
            siblings.append(_cover(middle, end))
            end = middle
        else:
            siblings.append(_cover(start, middle))
            start = middle
    if start > 0:  # when it starts at 0 it is the whole old tree, whose root the checker has
        siblings.append(_cover(start, end))
    return siblings[::-1]


# Computing.


def compute_root(read: NodeReader, size: int) -> bytes:
    """The root hash of the tree of `size` leaves."""
    return _compute(read, plan_root(size))[0] if size else EMPTY_ROOT


def prove_inclusion(read: NodeReader, index: int, size: int) -> list[bytes]:
    """The inclusion proof of leaf `index` in the tree of `size` leaves: the sibling of the leaf first."""
    return _compute(read, plan_inclusion(index, size))


def prove_consistency(read: NodeReader, old: int, new: int) -> list[bytes]:
    """The consistency proof from the tree of `old` leaves to the tree of `new` leaves: 32-byte hashes."""
    return _compute(read, plan_consistency(old, new))


def _compute(read: NodeReader, plan: Plan) -> list[bytes]:
    nodes = [node for cover in plan for node in cover]
    if not nodes:
        return []
    hashes = read(nodes)
    assert len(hashes) == len(nodes), "a node reader answers what it was asked"
    rest = iter(hashes)
    return [_fold_cover([next(rest) for _ in cover]) for cover in plan]


# Checking.


def check_inclusion(proof: Sequence[bytes], index: int, size: int, leaf_hash: bytes, root: bytes) -> None:
    """Check that the tree of `size` leaves with root hash `root` has `leaf_hash` at `index` (RFC 9162).

    Raises Refused(INCLUSION_PROOF_INVALID) for anything else, sizes and lengths included.
    """
    code = "INCLUSION_PROOF_INVALID"
    if not 0 <= index < size:
        raise Refused(code, "the index is outside the tree", expected=f"0 ≤ index < {size}", found=index)
    to_left: list[bool] = []  # from the root down: is the leaf in the left half?
    start, end = 0, size
    while end - start > 1:
        middle = start + _largest_power_of_two_below(end - start)
        to_left.append(index < middle)
        start, end = (start, middle) if index < middle else (middle, end)
    _check_lengths(code, proof, len(to_left), leaf_hash)

    computed = leaf_hash
    for sibling, left in zip(proof, reversed(to_left), strict=True):
        computed = hash_node(computed, sibling) if left else hash_node(sibling, computed)
    _check_root(code, "the proof leads to another root", root, computed)


def check_consistency(
    proof: Sequence[bytes], old_size: int, new_size: int, old_root: bytes, new_root: bytes, *, empty_old_ok: bool
) -> None:
    """Check that the tree of `old_size` leaves begins the tree of `new_size` leaves (RFC 9162 §2.1.4.2).

    From size 0 there is nothing to prove: `empty_old_ok` says whether an empty proof is then right (a witness
    that sees a log for the first time) or an error (a caller that should have remembered something). Raises
    Refused(CONSISTENCY_PROOF_INVALID).
    """
    code = "CONSISTENCY_PROOF_INVALID"
    if not 0 <= old_size <= new_size:
        raise Refused(code, "the tree shrank", expected=f"0 ≤ old size ≤ {new_size}", found=old_size)
    if old_size == 0 and not empty_old_ok:
        raise Refused(code, "a proof from the empty tree proves nothing", expected="an old size above 0", found=0)
    if old_size in {0, new_size}:  # no hashes are needed
        _check_lengths(code, proof, 0)
        if old_size == 0:
            _check_root(code, "the empty tree has another root", EMPTY_ROOT, old_root)
        if old_size == new_size:
            _check_root(code, "two roots for one size", old_root, new_root)
        return
    to_left: list[bool] = []  # from the root down: does the old tree end in the left half?
    start, end = 0, new_size
    while end != old_size:
        middle = start + _largest_power_of_two_below(end - start)
        to_left.append(old_size <= middle)
        start, end = (start, middle) if old_size <= middle else (middle, end)
    _check_lengths(code, proof, len(to_left) + (start > 0), old_root)

    # Where the walk ended is a subtree of both trees: the old tree itself, or the first hash of the proof.
    siblings = list(proof)
    old = new = old_root if start == 0 else siblings.pop(0)
    for sibling, left in zip(siblings, reversed(to_left), strict=True):
        if not left:  # what is left of the path is in both trees, what is right of it only in the new one
            old = hash_node(sibling, old)
        new = hash_node(new, sibling) if left else hash_node(sibling, new)
    _check_root(code, "the proof leads to another old root", old_root, old)
    _check_root(code, "the proof leads to another new root", new_root, new)


def _check_lengths(code: str, proof: Sequence[bytes], count: int, *others: bytes) -> None:
    """The proof has exactly `count` hashes, and all hashes have 32 bytes."""
    if len(proof) != count:
        raise Refused(code, "the proof has a wrong length", expected=f"{count} hashes", found=f"{len(proof)} hashes")
    if any(len(h) != HASH_SIZE for h in (*proof, *others)):
        raise Refused(code, "a hash has a wrong length", expected=f"{HASH_SIZE} bytes")


def _check_root(code: str, detail: str, expected: bytes, found: bytes) -> None:
    if found != expected:
        raise Refused(code, detail, expected=expected.hex(), found=found.hex())


# Ranges.


def _largest_power_of_two_below(n: int) -> int:
    """The k with k < n ≤ 2k at which a tree of n ≥ 2 leaves divides (RFC 6962 §2.1)."""
    return 1 << ((n - 1).bit_length() - 1)


def _cover(start: int, end: int) -> list[Node]:
    """The complete subtrees that make up the leaves [start, end), left to right.

    `start` is a multiple of the largest of them, as at every division of a tree.
    """
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def _fold_cover(hashes: list[bytes]) -> bytes:
    """The root of a range from the hashes of its cover: the smallest subtrees join first, at the right."""
    return reduce(lambda right, left: hash_node(left, right), reversed(hashes))
