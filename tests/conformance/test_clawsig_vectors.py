"""The signed vectors of the Clawsig protocol: each is admitted or refused as its manifest says.

Judged with the clock at 2026-02-18 and with every signer trusted, as candidates at an index: what the log does at admission and
every reader does again. Where our refusal is another than the manifest's, :data:`STRICTER` says which rule comes first, and the
same fault in a bundle whose hash and signature are right is refused with the manifest's own code.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from tests.conformance.shared import CLAW, load_json, needs_claw
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.didkey import encode_did_key, parse_did_key
from trustlog.formats.envelope import parse_envelope, seal_envelope
from trustlog.formats.jsontext import stringify
from trustlog.formats.note import NoteSigner
from trustlog.formats.timestamp import parse_timestamp
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.records.candidate import Candidate, check_skew, read_candidate
from trustlog.records.ledger import Ledger, MemoryHistory
from trustlog.records.proof_bundle import ProofBundle

pytestmark = needs_claw

CONFORMANCE = CLAW / "fixtures" / "conformance"
ORIGIN = "log.example/conformance"
NOW_NS = parse_timestamp("2026-02-18T00:00:00Z", "now")

# The hash is judged before what was hashed: in these vectors the fault was put in without hashing and signing again.
HASH_FIRST = "HASH_MISMATCH"
STRICTER = {
    "proof_bundle.pass.mixed_receipts": "BASE64URL_INVALID",  # the hash has non-zero trailing bits: no SHA-256 spells so
    "proof_bundle.fail.wrong_signer_did": "INVALID_DID_FORMAT",  # the signer is no did:key at all
    "proof_bundle.fail.tool_receipt_bad_version": HASH_FIRST,
    "proof_bundle.fail.tool_receipt_missing_field": HASH_FIRST,
    "proof_bundle.fail.empty_event_chain": HASH_FIRST,
    "proof_bundle.fail.side_effect_bad_class": HASH_FIRST,
    "proof_bundle.fail.side_effect_missing_field": HASH_FIRST,
    "proof_bundle.fail.human_approval_bad_type": HASH_FIRST,
}
# No bundle vector has a fault that only the judge of a change can see.
ONLY_THE_JUDGE: frozenset[str] = frozenset()
# Kinds of vectors that are not entries of a log.
NOT_ENTRIES = {"export_bundle", "commit_sig", "aggregate_bundle"}


def vectors(kind: str | None = "proof_bundle") -> list[Any]:
    path = CONFORMANCE / "manifest.v1.json"
    found = load_json(path)["vectors"] if path.is_file() else []
    return [vector for vector in found if kind in {None, vector["kind"]}]


def body_of(vector: Any) -> bytes:
    """The vector's file, found by name: the paths in the manifest are relative to another repository."""
    (path,) = CONFORMANCE.rglob(Path(vector["path"]).name)
    return path.read_bytes()


def trusting(agents: set[str], gateways: set[str]) -> TrustPolicy:
    log = NoteSigner(ORIGIN, bytes(32))
    roles = f"agents = {json.dumps(sorted(agents))}\ngateways = {json.dumps(sorted(gateways - agents))}\n"
    text = f"allow_unwitnessed = true\n[log]\npolicy = '''\nlog {log.key.encode()}\nquorum none\n'''\n[roles]\n{roles}"
    return TrustPolicy.parse(text.encode())


def signers_in(body: bytes) -> tuple[set[str], set[str]]:
    """The agent, and everyone else who signed something in the bundle, as far as they have a key."""
    members = json.loads(body)
    inner = [r for name in ("receipts", "tool_receipts") for r in members["payload"].get(name, [])]
    agents, others = ({s["signer_did"] for s in signed if is_key(s.get("signer_did", ""))} for signed in ([members], inner))
    return agents, others


def is_key(did: str) -> bool:
    try:
        parse_did_key(did)
    except Refused:
        return False
    return True


def admit(body: bytes, trust: TrustPolicy | None = None) -> Candidate:
    """Everything that admission judges and a reader can judge again, and the clock."""
    candidate = read_candidate(parse_envelope(body), origin=ORIGIN)
    check_skew(candidate, NOW_NS)
    Ledger(trust or trusting(*signers_in(body)), MemoryHistory()).judge(candidate, 0)
    return candidate


def signed_again(body: bytes) -> bytes:
    """The same payload by another agent, hashed and signed right: what is wrong with it is its content."""
    key = SigningKey(bytes([42]) * 32)
    members = json.loads(body)
    old, new = members["payload"]["agent_did"], encode_did_key(bytes(key.verify_key))
    payload = json.loads(json.dumps(members["payload"]).replace(old, new))
    payload_hash = encode_b64u(hashlib.sha256(stringify(payload)).digest())
    return stringify(
        members
        | {
            "payload": payload,
            "payload_hash_b64u": payload_hash,
            "signer_did": new,
            "signature_b64u": encode_b64u(key.sign(payload_hash.encode()).signature),
        }
    )


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_bundles_are_judged_as_the_manifest_says(vector: Any) -> None:
    body, expected = body_of(vector), vector["expected"]
    if expected["valid"]:
        candidate = admit(body)
        assert isinstance(candidate.record, ProofBundle)
        assert candidate.payload_text == stringify(json.loads(body)["payload"])
        return
    with pytest.raises(Refused) as caught:
        admit(body)
    if vector["name"] in STRICTER:
        assert caught.value.code == STRICTER[vector["name"]]
        assert caught.value.code not in expected["reason_code"]
    else:
        assert caught.value.code in expected["reason_code"]


SIGNABLE = [
    v
    for v in vectors()
    if STRICTER.get(v["name"]) == HASH_FIRST or v["name"].endswith("agent_mismatch") or "receipt_binding" in v["name"]
]


@pytest.mark.parametrize("vector", SIGNABLE, ids=lambda vector: vector["name"])
def test_the_same_fault_signed_right_is_refused_with_the_manifests_code(vector: Any) -> None:
    with pytest.raises(Refused) as caught:
        admit(signed_again(body_of(vector)))
    assert caught.value.code in vector["expected"]["reason_code"]
    assert caught.value.code != HASH_FIRST
    assert caught.value.param is not None
    assert caught.value.param.startswith("payload.")


def test_the_helper_that_signs_again_makes_admissible_bundles() -> None:
    valid = [vector for vector in vectors() if vector["expected"]["valid"]]
    assert len(valid) == 3
    for vector in valid:
        if "tool_receipt" not in vector["name"]:  # whose receipts, signed by another, name the agent
            admit(signed_again(body_of(vector)))


def test_the_gateway_receipts_of_valid_bundles_are_admitted_by_themselves() -> None:
    count = 0
    for vector in vectors():
        if vector["expected"]["valid"]:
            for receipt in json.loads(body_of(vector))["payload"].get("receipts", []):
                body = stringify(receipt)
                candidate = admit(body, trusting(set(), {receipt["signer_did"]}))
                assert candidate.refs["receipt"] == receipt["payload"]["receipt_id"]
                count += 1
    assert count == 1


def test_tool_receipts_of_version_2_are_not_admitted_by_themselves() -> None:
    (vector,) = [v for v in vectors() if v["name"].endswith("cosig_valid")]
    (receipt,) = json.loads(body_of(vector))["payload"]["tool_receipts"]
    with pytest.raises(Refused, match=r"MALFORMED_ENVELOPE|UNKNOWN_ENVELOPE_VERSION"):
        admit(stringify(receipt), trusting({receipt["signer_did"]}, set()))


@pytest.mark.parametrize("name", ["proof_bundle.pass", "proof_bundle.r48.tool_receipt_v2_cosig_valid"])
def test_a_valid_bundle_is_refused_when_a_signer_is_not_trusted(name: str) -> None:
    (vector,) = [v for v in vectors() if v["name"] == name]
    body = body_of(vector)
    agents, others = signers_in(body)
    with pytest.raises(Refused, match="SIGNER_NOT_TRUSTED"):
        admit(body, trusting(set(), others))
    with pytest.raises(Refused, match="SIGNER_NOT_TRUSTED"):
        admit(body, trusting(agents, set()))
    with pytest.raises(Refused, match="SIGNER_WRONG_ROLE"):
        admit(body, trusting(others, agents))


def test_an_unsigned_bare_bundle_is_refused() -> None:
    for vector in vectors():
        bare = stringify(json.loads(body_of(vector))["payload"])
        with pytest.raises(Refused, match="MALFORMED_ENVELOPE"):
            admit(bare, trusting(set(), set()))


def test_vectors_of_other_kinds_are_no_entries() -> None:
    others = [vector for vector in vectors(None) if vector["kind"] != "proof_bundle"]
    assert {vector["kind"] for vector in others} == NOT_ENTRIES
    for vector in others:
        found = list(CLAW.rglob(Path(vector["path"]).name))
        assert found, vector["name"]
        with pytest.raises(Refused, match=r"MALFORMED_ENVELOPE|UNKNOWN_ENVELOPE_TYPE|HASH_MISMATCH"):
            admit(found[0].read_bytes(), trusting(set(), set()))


def test_the_tables_name_vectors() -> None:
    names = {vector["name"] for vector in vectors()}
    assert len(names) == 24
    assert set(STRICTER) <= names
    assert names >= ONLY_THE_JUDGE


def test_our_own_emitter_agrees_with_theirs_on_the_hash_rule() -> None:
    """What we emit is RFC 8785, where their rule (the text as serialised) and the written one agree."""

    class Signer:
        did = encode_did_key(bytes(SigningKey(bytes([7]) * 32).verify_key))

        def sign(self, message: bytes) -> bytes:
            return SigningKey(bytes([7]) * 32).sign(message).signature

    (vector,) = [v for v in vectors() if v["name"] == "proof_bundle.cpl_v2_rate_limit.pass"]
    payload = json.loads(body_of(vector))["payload"] | {"agent_did": Signer.did}
    body = seal_envelope("proof_bundle", payload, Signer(), "2026-02-18T00:00:00Z")
    assert admit(body).payload_text in body
