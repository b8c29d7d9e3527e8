"""Inclusion and consistency, level by level. Every node is named by the entries that it covers.

The ranges come from the recursive definitions (RFC 6962 §2.1.1, §2.1.2); the verdict itself folds proofs by the
iterative rules of RFC 9162. Both must lead to the same roots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.explain.step import Step, Value, as_b64, as_hex, shown
from verifier.tree import hash_leaf, hash_node, split_of

Range = tuple[int, int]  # entries begin ≤ index < end


@dataclass(frozen=True, slots=True)
class Level:
    """One level of an inclusion path: the node so far and its sibling, by the entries that they cover."""

    node: Range
    sibling: Range

    @property
    def sibling_is_left(self) -> bool:
        """Whether the sibling stands to the left."""
        return self.sibling[0] < self.node[0]


def inclusion_levels(index: int, size: int) -> tuple[Level, ...]:
    """The path of entry `index` in a tree of `size` entries, from the leaf up."""
    levels: list[Level] = []
    begin, end = 0, size
    while end - begin > 1:
        split = split_of(begin, end)
        low, high = (begin, split), (split, end)
        node, sibling = (low, high) if index < split else (high, low)
        levels.append(Level(node, sibling))
        begin, end = node
    return tuple(reversed(levels))


def say_range(entries: Range) -> str:
    """`entry 4`, or `entries 4 to 7`."""
    begin, end = entries
    return f"entry {begin}" if end - begin == 1 else f"entries {begin} to {end - 1}"


def explain_leaf(entry: bytes, index: int) -> Step:
    """The leaf hash of an entry."""
    leaf = hash_leaf(entry)
    return Step(
        f"leaf hash of entry {index}",
        "SHA-256(0x00 ‖ entry)",
        (shown("entry", entry),),
        (as_hex("leaf hash", leaf), as_b64("leaf hash", leaf)),
    )


def explain_inclusion(entry: bytes, index: int, *, size: int, root: bytes, proof: Sequence[bytes]) -> list[Step]:
    """From an entry's bytes to the root of the tree of `size` entries."""
    steps = [explain_leaf(entry, index)]
    levels = inclusion_levels(index, size) if index < size else ()
    if index >= size or len(levels) != len(proof):
        note = f"a tree of {size} entries needs {len(levels)} hashes for entry {index}; the proof has {len(proof)}"
        return [*steps, Step("the path cannot be followed", note=note, holds=False)]
    node = hash_leaf(entry)
    for number, (level, sibling) in enumerate(zip(levels, proof, strict=True), start=1):
        left, right = (sibling, node) if level.sibling_is_left else (node, sibling)
        node = hash_node(left, right)
        side = "left" if level.sibling_is_left else "right"
        covered = (min(level.node[0], level.sibling[0]), max(level.node[1], level.sibling[1]))
        steps.append(
            Step(
                f"level {number}: the sibling from the proof stands on the {side}",
                "SHA-256(0x01 ‖ left ‖ right)",
                (as_hex("left", left), as_hex("right", right)),
                _node(covered, size, node),
                note=f"{side} is {say_range(level.sibling)} (from the proof), the other is {say_range(level.node)} (so far)",
            )
        )
    return [*steps, compare_root(node, root, size)]


def _node(covered: Range, size: int, node: bytes) -> tuple[Value, ...]:
    label = "root" if covered == (0, size) else say_range(covered)
    return (as_hex(label, node), as_b64(label, node)) if label == "root" else (as_hex(label, node),)


def compare_root(computed: bytes, root: bytes, size: int) -> Step:
    """The computed root beside the one that the checkpoint states."""
    return Step(
        f"the root of {size} entries",
        inputs=(as_hex("computed", computed), as_hex("stated by the checkpoint", root), as_b64("as written there", root)),
        note="the computed root is the one that the checkpoint states",
        holds=computed == root,
    )


def consistency_ranges(old: int, new: int) -> tuple[Range, ...]:
    """The subtrees whose hashes a consistency proof between two sizes holds, in its order."""
    if old in (0, new):
        return ()
    ranges: list[Range] = []
    begin, end = 0, new
    while end != old:
        split = split_of(begin, end)
        if old <= split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((begin, split))
            begin = split
    if begin:
        ranges.append((begin, end))
    return tuple(reversed(ranges))


def explain_consistency(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> list[Step]:
    """From the hashes of a consistency proof to both roots; `old` and `new` are (size, root)."""
    (old_size, old_root), (new_size, new_root) = old, new
    if old_size == 0:
        return [
            Step("the older tree is empty", note="the empty tree is a prefix of every tree; nothing is hashed", holds=True)
        ]
    if old_size == new_size:
        return [compare_root(old_root, new_root, new_size)]
    ranges = consistency_ranges(old_size, new_size)
    if len(ranges) != len(proof):
        note = f"sizes {old_size} and {new_size} need {len(ranges)} hashes; the proof has {len(proof)}"
        return [Step("the proof cannot be followed", note=note, holds=False)]
    known = dict(zip(ranges, proof, strict=True))
    given = tuple(as_hex(say_range(covered), node) for covered, node in known.items())
    steps = [Step("the hashes of the proof, by the entries that they cover", inputs=given)]
    if not any(begin == 0 for begin, _ in ranges):
        known[0, old_size] = old_root
        steps.append(
            Step(
                "the older tree is a complete subtree of the newer one", inputs=(as_hex(say_range((0, old_size)), old_root),)
            )
        )
    for size, root in (old, new):
        computed = _fold((0, size), known, steps)
        steps.append(compare_root(computed, root, size))
    return steps


def _fold(covered: Range, known: dict[Range, bytes], steps: list[Step]) -> bytes:
    """The hash over a range from known subtrees; each step is added to `steps`, each node computed once."""
    if covered in known:
        return known[covered]
    split = split_of(*covered)
    low, high = (covered[0], split), (split, covered[1])
    left, right = _fold(low, known, steps), _fold(high, known, steps)
    node = hash_node(left, right)
    steps.append(
        Step(
            f"{say_range(covered)}: {say_range(low)} on the left, {say_range(high)} on the right",
            "SHA-256(0x01 ‖ left ‖ right)",
            (as_hex("left", left), as_hex("right", right)),
            (as_hex(say_range(covered), node),),
        )
    )
    known[covered] = node
    return node
