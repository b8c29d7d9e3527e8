"""The cases that transparency-dev/merkle publishes, and the reference tree of the Certificate Transparency tests."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conformance.shared import VECTORS, load_json, needs_vectors
from trustlog.errors import Refused
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import fold, hash_leaf
from trustlog.merkle.proofs import check_consistency, check_inclusion

pytestmark = needs_vectors

CASES = VECTORS / "transparency-dev_merkle" / "testdata"


def decode(text: str | None) -> bytes:
    return base64.b64decode(text or "", validate=True)


def check_all(kind: str, check: Callable[[Any], None]) -> dict[bool, int]:
    """How many cases were accepted and refused; every one as its file says."""
    count = {True: 0, False: 0}
    for path in sorted((CASES / kind).rglob("*.json")):
        case = load_json(path)
        assert accepts(check, case) is not case["wantErr"], f"{path}: {case['desc']}"
        count[not case["wantErr"]] += 1
    return count


def accepts(check: Callable[[Any], None], case: Any) -> bool:
    try:
        check(case)
    except Refused:
        return False
    return True


def test_every_inclusion_case() -> None:
    def check(case: Any) -> None:
        proof = [decode(h) for h in case["proof"] or []]
        check_inclusion(proof, case["leafIdx"], case["treeSize"], decode(case["leafHash"]), decode(case["root"]))

    assert check_all("inclusion", check) == {True: 6, False: 92}


def test_every_consistency_case() -> None:
    def check(case: Any) -> None:
        proof = [decode(h) for h in case["proof"] or []]
        roots = decode(case["root1"]), decode(case["root2"])
        check_consistency(proof, case["size1"], case["size2"], *roots, empty_old_ok=False)

    assert check_all("consistency", check) == {True: 6, False: 92}


def test_the_reference_tree() -> None:
    tree = load_json(VECTORS / "derived" / "rfc6962_reference_tree.json")
    leaves = [hash_leaf(bytes.fromhex(entry)) for entry in tree["leaf_inputs_hex"]]
    assert [h.hex() for h in leaves] == tree["leaf_hashes_hex"]
    edge = Edge.empty()
    for size, root in enumerate(tree["roots_hex_by_size"]):
        assert edge.size == size
        assert edge.root().hex() == root
        assert fold(leaves[:size]) in {edge.root(), None}
        edge, _ = edge.append(leaves[size : size + 1])


def test_the_cases_are_where_they_are_looked_for() -> None:
    assert isinstance(CASES, Path)
    assert {p.name for p in CASES.iterdir()} >= {"inclusion", "consistency"}
