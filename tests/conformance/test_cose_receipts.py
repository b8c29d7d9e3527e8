"""The example receipts of draft COSE Merkle tree proofs (now RFC 9942): their proofs are those of RFC 9162 and check here.

The signed root is detached and the signer's key is not published, so the signature cannot be checked. But both receipts are of
one tree of five leaves: the consistency proof from three holds the hash of leaf 3, whose inclusion the other one proves.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.shared import VECTORS, needs_vectors
from trustlog.errors import Refused
from trustlog.merkle import proofs
from verifier import tree
from verifier.errors import Refused as VerifierRefused

pytestmark = needs_vectors

EXAMPLES = VECTORS / "cose_receipts_examples" / "examples"
VDS, VDP, RFC9162_SHA256 = 395, 396, 1
INCLUSION, CONSISTENCY = -1, -2


def read_cbor(data: bytes, at: int = 0) -> tuple[Any, int]:  # noqa: PLR0911 - one return a major type
    """One data item of RFC 8949, of the kinds that receipts are made of, and where it ends."""
    major, short = data[at] >> 5, data[at] & 31
    at += 1
    if short in (24, 25, 26):
        width = 1 << (short - 24)
        short, at = int.from_bytes(data[at : at + width], "big"), at + width
    match major:
        case 0:
            return short, at
        case 1:
            return -1 - short, at
        case 2 | 3:
            text = data[at : at + short]
            return (text if major == 2 else text.decode()), at + short
        case 4:
            items = []
            for _ in range(short):
                item, at = read_cbor(data, at)
                items.append(item)
            return items, at
        case 5:
            members = {}
            for _ in range(short):
                name, at = read_cbor(data, at)
                members[name], at = read_cbor(data, at)
            return members, at
        case 6:
            item, at = read_cbor(data, at)
            return (short, item), at
        case _:
            assert short == 22, "null is the only simple value in a receipt"
            return None, at


def whole(data: bytes) -> Any:
    value, end = read_cbor(data)
    assert end == len(data)
    return value


def read_receipt(name: str, kind: int) -> list[Any]:
    """The one proof in a receipt."""
    tag, (protected, unprotected, payload, signature) = whole((EXAMPLES / f"{name}.cbor").read_bytes())
    assert (tag, payload, len(signature)) == (18, None, 64)
    assert whole(protected)[VDS] == RFC9162_SHA256
    (proof,) = unprotected[VDP][kind]
    fields = whole(proof)
    assert isinstance(fields, list)
    return fields


def test_the_consistency_proof_leads_to_the_root_of_the_inclusion_proof() -> None:
    old_size, new_size, path = read_receipt("consistency-receipt", CONSISTENCY)
    size, index, inclusion = read_receipt("inclusion-receipt", INCLUSION)
    assert (old_size, new_size, size, index) == (3, 5, 5, 3)
    third, fourth, left, fifth = path
    old_root = tree.hash_node(left, third)
    root = tree.hash_node(tree.hash_node(left, tree.hash_node(third, fourth)), fifth)
    proofs.check_consistency(path, old_size, new_size, old_root, root, empty_old_ok=False)
    tree.check_consistency(path, (old_size, old_root), (new_size, root), empty_old_ok=False)
    proofs.check_inclusion(inclusion, index, size, fourth, root)
    tree.check_inclusion(inclusion, index, size=size, leaf_hash=fourth, root=root)


@pytest.mark.parametrize("flipped", range(3))
def test_a_flipped_bit_in_a_receipt_leads_to_another_root(flipped: int) -> None:
    _, _, (third, fourth, left, fifth) = read_receipt("consistency-receipt", CONSISTENCY)
    size, index, path = read_receipt("inclusion-receipt", INCLUSION)
    root = tree.hash_node(tree.hash_node(left, tree.hash_node(third, fourth)), fifth)
    path[flipped] = bytes([path[flipped][0] ^ 1]) + path[flipped][1:]
    with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
        proofs.check_inclusion(path, index, size, fourth, root)
    with pytest.raises(VerifierRefused, match="INCLUSION_PROOF_INVALID"):
        tree.check_inclusion(path, index, size=size, leaf_hash=fourth, root=root)


@pytest.mark.parametrize("name", ["consistency-receipt", "inclusion-receipt"])
def test_the_diagnostic_text_spells_the_same_bytes(name: str) -> None:
    text = (EXAMPLES / f"{name}.diag").read_text(encoding="utf-8")
    spelled = text.partition("## Hex")[2].split("```")[1]
    assert bytes.fromhex(spelled) == (EXAMPLES / f"{name}.cbor").read_bytes()
