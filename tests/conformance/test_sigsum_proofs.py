"""Proofs that Sigsum's own tools made: leaf, inclusion, signed tree head and cosignature, through both packages.

Sigsum signs C2SP checkpoints and cosignatures and spells them otherwise, so a proof's tree head is a signed note of ours.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from functools import cache

import pytest

from tests.conformance.shared import VECTORS, load_json, needs_vectors
from trustlog.errors import Refused
from trustlog.formats import note as our_note
from trustlog.formats.checkpoint import parse_checkpoint
from trustlog.merkle import proofs
from trustlog.merkle.hashing import hash_leaf
from verifier import tree
from verifier.errors import Refused as VerifierRefused
from verifier.trust import TrustPolicy, parse_trust_policy
from verifier.trustedcheckpoint import open_checkpoint

pytestmark = needs_vectors

FILE = VECTORS / "derived" / "sigsum_proofs.json"
NUMBERS = range(8)
SIGNED = (6, 7)  # the proofs whose keys are published with them
COSIGNED = 7


@dataclass(frozen=True)
class Proof:
    log: str  # SHA-256 of the log's key, in hex
    leaf: bytes
    index: int
    size: int
    root: bytes
    path: tuple[bytes, ...]
    signature: bytes
    cosignatures: tuple[tuple[str, int, bytes], ...]


@cache
def keys() -> dict[str, bytes]:
    """Published Ed25519 keys by the hex of their SHA-256."""
    lines = [line.split()[1] for _, line in load_json(FILE)["keys_in_order"]]
    found = [base64.b64decode(line)[-32:] for line in lines]
    return {hashlib.sha256(key).hexdigest(): key for key in found}


def read(number: int) -> Proof:
    fields: dict[str, list[str]] = {}
    for line in load_json(FILE)["proofs"][number].split("\n"):
        if line:
            name, _, value = line.partition("=")
            fields.setdefault(name, []).append(value)
    key_hash, signature = fields["leaf"][0].split()[-2:]  # version 1 has the first bytes of the checksum before them
    size = int(fields["size"][0])
    message = (b"foo-%d\n" % size).rjust(32)
    return Proof(
        log=fields["log"][0],
        leaf=hashlib.sha256(message).digest() + bytes.fromhex(signature) + bytes.fromhex(key_hash),
        index=int(fields.get("leaf_index", ["0"])[0]),
        size=size,
        root=bytes.fromhex(fields["root_hash"][0]),
        path=tuple(bytes.fromhex(node) for node in fields.get("node_hash", [])),
        signature=bytes.fromhex(fields["signature"][0]),
        cosignatures=tuple(
            (witness, int(time_s), bytes.fromhex(signed))
            for witness, time_s, signed in (line.split() for line in fields.get("cosignature", []))
        ),
    )


@pytest.mark.parametrize("number", NUMBERS)
def test_the_leaf_is_included(number: int) -> None:
    proof = read(number)
    leaf = hash_leaf(proof.leaf)
    assert leaf == tree.hash_leaf(proof.leaf)
    proofs.check_inclusion(proof.path, proof.index, proof.size, leaf, proof.root)
    tree.check_inclusion(proof.path, proof.index, size=proof.size, leaf_hash=leaf, root=proof.root)


@pytest.mark.parametrize("number", NUMBERS)
def test_nothing_near_it_is(number: int) -> None:
    proof = read(number)
    leaf = hash_leaf(proof.leaf)
    near = [
        (proof.path, proof.index + 1, proof.size, leaf),
        (proof.path, proof.index, 2 * proof.size + 1, leaf),
        (proof.path, proof.index, proof.size, hash_leaf(proof.leaf[:-1] + b"\0")),
        ((*proof.path, bytes(32)), proof.index, proof.size, leaf),
        *[(proof.path[:-1], proof.index, proof.size, leaf)] * bool(proof.path),
        *[(proof.path[::-1], proof.index, proof.size, leaf)] * bool(proof.path),
    ]
    for path, index, size, other in near:
        with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
            proofs.check_inclusion(path, index, size, other, proof.root)
        with pytest.raises(VerifierRefused, match="INCLUSION_PROOF_INVALID"):
            tree.check_inclusion(path, index, size=size, leaf_hash=other, root=proof.root)


@pytest.mark.parametrize("number", [number for number in NUMBERS if number not in (0, 2, 3)])
def test_the_path_of_the_last_of_four_leaves_is_also_a_consistency_proof(number: int) -> None:
    """The tree of the first three leaves is that of the two siblings, and four leaves add only the last."""
    proof = read(number)
    third, left = proof.path
    older = tree.hash_node(left, third)
    path = [third, hash_leaf(proof.leaf), left]
    proofs.check_consistency(path, 3, 4, older, proof.root, empty_old_ok=False)
    tree.check_consistency(path, (3, older), (4, proof.root), empty_old_ok=False)


def as_note(proof: Proof) -> bytes:
    """The tree head as the signed note that it is, with the names that Sigsum gives its keys."""
    name = f"sigsum.org/v1/tree/{proof.log}"
    text = f"{name}\n{proof.size}\n{base64.b64encode(proof.root).decode()}\n"
    lines = [(our_note.VerifierKey(name, our_note.ED25519, keys()[proof.log]), proof.signature)]
    for witness, time_s, signature in proof.cosignatures:
        key = our_note.VerifierKey(f"witness-{witness[:8]}", our_note.ED25519_COSIGNATURE, keys()[witness])
        lines.append((key, time_s.to_bytes(8, "big") + signature))
    signed = (f"\u2014 {key.name} {base64.b64encode(key.key_id + data).decode()}\n" for key, data in lines)
    return f"{text}\n{''.join(signed)}".encode()


def trust(proof: Proof) -> TrustPolicy:
    vkeys = [our_note.VerifierKey(f"sigsum.org/v1/tree/{proof.log}", our_note.ED25519, keys()[proof.log]).encode()]
    names = [f"witness-{witness[:8]}" for witness, _, _ in proof.cosignatures]
    for name, (witness, _, _) in zip(names, proof.cosignatures, strict=True):
        vkeys.append(our_note.VerifierKey(name, our_note.ED25519_COSIGNATURE, keys()[witness]).encode())
    lines = [f"log {vkeys[0]}", *(f"witness {name} {vkey}" for name, vkey in zip(names, vkeys[1:], strict=True))]
    policy = "\n".join([*lines, f"quorum {names[0] if names else 'none'}"])
    return parse_trust_policy(f"allow_unwitnessed = {str(not names).lower()}\n[log]\npolicy = '''{policy}'''\n".encode())


@pytest.mark.parametrize("number", SIGNED)
def test_the_signed_tree_head_is_a_checkpoint(number: int) -> None:
    proof = read(number)
    opened = open_checkpoint(as_note(proof), trust(proof))
    assert (opened.checkpoint.size, opened.checkpoint.root) == (proof.size, proof.root)
    assert [time_s for _, time_s in opened.cosigned] == [time_s for _, time_s, _ in proof.cosignatures]
    ours = our_note.open_note(
        as_note(proof), [our_note.VerifierKey(opened.checkpoint.origin, our_note.ED25519, keys()[proof.log])]
    )
    assert parse_checkpoint(ours.text).root == proof.root


def test_the_cosignature_counts_with_its_time_and_a_wrong_one_rejects_the_note() -> None:
    proof = read(COSIGNED)
    assert open_checkpoint(as_note(proof), trust(proof)).quorum_time_s(trust(proof).log_policy) == 1_683_202_758
    ((witness, time_s, signature),) = proof.cosignatures
    later = replace(proof, cosignatures=((witness, time_s + 1, signature),))
    with pytest.raises(VerifierRefused, match="NOTE_UNVERIFIED"):
        open_checkpoint(as_note(later), trust(proof))
    key = our_note.VerifierKey(f"witness-{witness[:8]}", our_note.ED25519_COSIGNATURE, keys()[witness])
    assert [signed.key for signed in our_note.open_note(as_note(proof), [key]).verified] == [key]
    with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
        our_note.open_note(as_note(later), [key])
