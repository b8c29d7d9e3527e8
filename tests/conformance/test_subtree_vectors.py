"""The cases of transparency-dev/merkle for subtrees, as far as they are cases of whole trees.

The subtree of the leaves start ≤ i < end is a tree of its own, so an inclusion proof in it is one in a tree of that many leaves;
a subtree that starts at 0 is an older tree, so its consistency proof is an ordinary one. Neither package has other subtrees.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.conformance.shared import VECTORS, load_json, needs_vectors
from trustlog.errors import Refused
from trustlog.merkle import proofs
from verifier import tree
from verifier.errors import Refused as VerifierRefused

pytestmark = needs_vectors

CASES = VECTORS / "transparency-dev_merkle" / "testdata"


def cases(kind: str) -> Iterator[Any]:
    for path in sorted((CASES / kind).rglob("*.json")):
        yield load_json(path)


def decode(text: str | None) -> bytes:
    return base64.b64decode(text or "", validate=True)


def is_subtree(start: int, end: int) -> bool:
    """Not empty, and its start is a multiple of the least power of two that is not below its size."""
    return 0 <= start < end and start % (1 << (end - start - 1).bit_length()) == 0


def both(case: Any) -> tuple[bool, bool]:
    """Whether trustlog and the verifier accept a case's proof."""
    proof, start, end = [decode(node) for node in case["proof"] or []], case["start"], case["end"]
    try:
        if "leafIdx" in case:
            proofs.check_inclusion(
                proof, case["leafIdx"] - start, end - start, decode(case["leafHash"]), decode(case["root"])
            )
        else:
            roots = decode(case["root1"]), decode(case["root2"])
            proofs.check_consistency(proof, end, case["size"], *roots, empty_old_ok=False)
    except Refused:
        ours = False
    else:
        ours = True
    try:
        if "leafIdx" in case:
            place = {"size": end - start, "leaf_hash": decode(case["leafHash"]), "root": decode(case["root"])}
            tree.check_inclusion(proof, case["leafIdx"] - start, **place)
        else:
            older, newer = (end, decode(case["root1"])), (case["size"], decode(case["root2"]))
            tree.check_consistency(proof, older, newer, empty_old_ok=False)
    except VerifierRefused:
        return ours, False
    return ours, True


def test_inclusion_in_every_subtree() -> None:
    count: Counter[bool] = Counter()
    for case in cases("subtreeinclusion"):
        if is_subtree(case["start"], case["end"]):
            assert both(case) == (not case["wantErr"],) * 2, case["desc"]
            count[not case["wantErr"]] += 1
        else:
            assert case["wantErr"], case["desc"]
    assert count[True] >= 10
    assert count[False] >= 150


def test_consistency_of_every_subtree_that_is_an_older_tree() -> None:
    count: Counter[bool] = Counter()
    for case in cases("subtreeconsistency"):
        if case["start"] == 0 and is_subtree(0, case["end"]):
            assert both(case) == (not case["wantErr"],) * 2, case["desc"]
            count[not case["wantErr"]] += 1
    assert count[True] >= 5
    assert count[False] >= 40
