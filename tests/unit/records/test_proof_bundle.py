from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.unit.records.bundles import (
    AGENT,
    GATEWAY,
    HASH,
    OTHER,
    RUN,
    TIME,
    bundle,
    disclosure,
    events,
    gateway_payload,
    read,
    sealed,
    tool_payload,
)
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.didkey import encode_did_key
from trustlog.formats.envelope import parse_envelope, seal_text
from trustlog.formats.jsontext import stringify
from trustlog.records.candidate import read_candidate
from trustlog.records.proof_bundle import ProofBundle

CHAIN = events()


def refusal(payload: dict[str, Any]) -> tuple[str, str | None]:
    with pytest.raises(Refused) as caught:
        read(payload)
    return caught.value.code, caught.value.param


def test_a_good_bundle_is_read() -> None:
    candidate = read(bundle())
    record = candidate.record
    assert isinstance(record, ProofBundle)
    assert candidate.refs == {"bundle": candidate.payload_hash_b64u, "run": RUN}
    assert (record.bundle_id, record.agent_did, record.run_id) == ("bundle-1", AGENT.did, RUN)
    assert [e.event_id for e in record.event_chain] == ["event-0", "event-1", "event-2"]
    assert record.inner_signers() == [("gateway_receipt", GATEWAY.did)] * 3
    assert [r.record.receipt_id for r in record.receipts] == [f"receipt-of-event-{i}" for i in range(3)]


def test_receipts_keep_their_own_text() -> None:
    """A receipt signed over its JSON.stringify form, in a bundle in that form, keeps the hash that was signed."""
    odd = gateway_payload(CHAIN[0], metadata={"z": 1, "a": "é", "2": 0})  # not in canonical order
    receipt = seal_text("gateway_receipt", stringify(odd), GATEWAY, TIME)
    payload = bundle(event_chain=CHAIN[:1], receipts=[json.loads(receipt)])
    body = seal_text("proof_bundle", stringify(payload), AGENT, TIME)
    record = read_candidate(parse_envelope(body), origin="log.example").record
    assert record.receipts[0].envelope.payload_text == stringify(odd)


@pytest.mark.parametrize(
    ("chain", "param"),
    [
        ([*CHAIN[:2], CHAIN[0]], "[2].event_id"),
        (CHAIN[1:], "[0].prev_hash_b64u"),
        ([CHAIN[0], CHAIN[2]], "[1].prev_hash_b64u"),
        ([CHAIN[1], CHAIN[0]], "[0].prev_hash_b64u"),
        ([CHAIN[0] | {"event_hash_b64u": HASH}], "[0].event_hash_b64u"),
        ([CHAIN[0] | {"event_type": "tool_call"}], "[0].event_hash_b64u"),
        ([CHAIN[0] | {"event_hash_b64u": CHAIN[0]["event_hash_b64u"] + "A"}], "[0].event_hash_b64u"),
        (events(3, timestamp="2026-02-12T00:00:00.999999999Z"), "[2].timestamp"),
        (events(3, timestamp="2026-02-12T02:00:00+02:00"), "[2].timestamp"),
        (events(3, run_id="run-2"), "[2].run_id"),
        (events(2, prev_hash_b64u=None), "[1].prev_hash_b64u"),
    ],
)
def test_a_broken_or_backward_chain_is_refused(chain: list[Any], param: str) -> None:
    assert refusal(bundle(event_chain=chain, receipts=None)) == ("EVENT_CHAIN_INVALID", f"payload.event_chain{param}")


def test_events_at_one_time_are_in_order() -> None:
    chain = events(2, timestamp="2026-02-12T01:00:00+01:00")
    assert read(bundle(event_chain=chain, receipts=None)).record.run_id == RUN


def changed_receipt(**changes: Any) -> dict[str, Any]:
    return sealed("gateway_receipt", gateway_payload(CHAIN[0])) | changes


def flipped(text: str) -> str:
    return ("B" if text[0] == "A" else "A") + text[1:]


GOOD = changed_receipt()


@pytest.mark.parametrize(
    ("receipt", "code", "param"),
    [
        ("text", "MALFORMED_ENVELOPE", ".envelope"),
        (GOOD["payload"], "MALFORMED_ENVELOPE", ".envelope_version"),
        (changed_receipt(envelope_version="2"), "UNKNOWN_ENVELOPE_VERSION", ".envelope_version"),
        (changed_receipt(hash_algorithm="BLAKE3"), "UNKNOWN_HASH_ALGORITHM", ".hash_algorithm"),
        (changed_receipt(signature_b64u=flipped(GOOD["signature_b64u"])), "SIGNATURE_INVALID", ".signature_b64u"),
        (changed_receipt(payload_hash_b64u=HASH), "HASH_MISMATCH", ".payload_hash_b64u"),
        (changed_receipt(signer_did=OTHER.did), "SIGNATURE_INVALID", ".signature_b64u"),
        (changed_receipt(signer_did="did:web:x"), "INVALID_DID_FORMAT", ".signer_did"),
        (changed_receipt(more=1), "MALFORMED_ENVELOPE", ".more"),
        (changed_receipt(payload=GOOD["payload"] | {"tokens_input": 5}), "HASH_MISMATCH", ".payload_hash_b64u"),
        (sealed("tool_receipt", tool_payload(CHAIN[0])), "SCHEMA_VALIDATION_FAILED", ".envelope_type"),
        (
            sealed("gateway_receipt", gateway_payload(CHAIN[0], tokens_input=1.5)),
            "SCHEMA_VALIDATION_FAILED",
            ".payload.tokens_input",
        ),
        (
            sealed("gateway_receipt", gateway_payload(CHAIN[0], binding={"run_id": "run-2"})),
            "RECEIPT_BINDING_MISMATCH",
            ".payload.binding.run_id",
        ),
        (
            sealed("gateway_receipt", gateway_payload(CHAIN[0], binding={"run_id": RUN})),
            "RECEIPT_BINDING_MISMATCH",
            ".payload.binding.event_hash_b64u",
        ),
        (
            sealed("gateway_receipt", gateway_payload(CHAIN[0], binding={"run_id": RUN, "event_hash_b64u": HASH})),
            "RECEIPT_BINDING_MISMATCH",
            ".payload.binding.event_hash_b64u",
        ),
    ],
)
def test_a_receipt_that_does_not_hold_by_itself_is_refused(receipt: Any, code: str, param: str) -> None:
    assert refusal(bundle(receipts=[receipt])) == (code, f"payload.receipts[0]{param}")


def test_a_small_order_signer_is_refused() -> None:
    # y = 1: with this key the signature R = key, S = 0 satisfies the bare equation for every message.
    weak = bytes([1]) + bytes(31)
    forged = changed_receipt(signer_did=encode_did_key(weak), signature_b64u=encode_b64u(weak + bytes(32)))
    assert refusal(bundle(receipts=[forged])) == ("SIGNATURE_INVALID", "payload.receipts[0].signature_b64u")


def test_receipts_without_a_chain_are_bound_to_nothing() -> None:
    assert refusal(bundle(event_chain=None))[0] == "RECEIPT_BINDING_MISMATCH"


def test_a_receipt_counts_once() -> None:
    assert refusal(bundle(receipts=[GOOD, GOOD])) == ("RECEIPT_VERIFICATION_FAILED", "payload.receipts")
    other_gateway = sealed("gateway_receipt", gateway_payload(CHAIN[0]), OTHER)
    assert len(read(bundle(receipts=[GOOD, other_gateway])).record.receipts) == 2


def test_a_bundle_is_signed_by_its_agent() -> None:
    with pytest.raises(Refused, match="PROOF_BUNDLE_AGENT_MISMATCH"):
        read(bundle(), OTHER)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"event_chain": []}, "payload.event_chain"),
        ({"receipts": []}, "payload.receipts"),
        ({"receipts": [GOOD] * 1001}, "payload.receipts"),
        ({"more": 1}, "payload.more"),
        ({"bundle_version": "2"}, "payload.bundle_version"),
        ({"bundle_id": ""}, "payload.bundle_id"),
        ({"agent_did": "did:web:example.com"}, "payload.agent_did"),
        ({"record": "trustlog/closure/v1"}, "payload.record"),
        ({"metadata": {"x": "y" * 17_000}}, "payload.metadata"),
        ({"metadata": []}, "payload.metadata"),
        ({"event_chain": None, "receipts": None}, "payload"),
        ({"vir_receipts": [{}]}, "payload.vir_receipts"),
        ({"web_receipts": [{}]}, "payload.web_receipts"),
        ({"coverage_attestations": []}, "payload.coverage_attestations"),
        ({"binary_semantic_evidence_attestations": []}, "payload.binary_semantic_evidence_attestations"),
        ({"attestations": [{}]}, "payload.attestations"),
        ({"urm": {"urm_version": "1"}}, "payload.urm.urm_id"),
        ({"tool_receipts": ["x"]}, "payload.tool_receipts[0]"),
        ({"tool_receipts": [{"receipt_version": "3"}]}, "payload.tool_receipts[0].receipt_version"),
        ({"eip8004_registry": "eip155:1:0x12"}, "payload.eip8004_registry"),
    ],
)
def test_the_schema_is_closed(changes: dict[str, Any], param: str) -> None:
    assert refusal(bundle(**changes)) == ("SCHEMA_VALIDATION_FAILED", param)


SIDE_EFFECT = {
    "receipt_version": "1",
    "receipt_id": "effect-1",
    "effect_class": "network_egress",
    "hash_algorithm": "SHA-256",
    "agent_did": AGENT.did,
    "timestamp": TIME,
}
APPROVAL = {
    "receipt_version": "1",
    "receipt_id": "approval-1",
    "approval_type": "explicit_approve",
    "agent_did": AGENT.did,
    "timestamp": TIME,
}
DELEGATION = {
    "receipt_version": "1",
    "receipt_id": "delegation-1",
    "delegator_did": AGENT.did,
    "delegate_did": OTHER.did,
    "task_description_hash_b64u": HASH,
    "delegate_bundle_hash_b64u": HASH,
    "hash_algorithm": "SHA-256",
    "delegated_at": TIME,
}
STATEMENTS = [
    ("tool_receipts", tool_payload(CHAIN[0]), "agent_did"),
    ("side_effect_receipts", SIDE_EFFECT, "agent_did"),
    ("human_approval_receipts", APPROVAL, "agent_did"),
    ("delegation_receipts", DELEGATION, "delegator_did"),
]


@pytest.mark.parametrize(("name", "statement", "whose"), STATEMENTS, ids=[name for name, _, _ in STATEMENTS])
def test_the_agents_statements_are_of_this_agent_and_run(name: str, statement: dict[str, Any], whose: str) -> None:
    assert len(read(bundle(**{name: [statement]})).record.inner_signers()) == 3
    assert refusal(bundle(**{name: [statement, statement]})) == ("RECEIPT_VERIFICATION_FAILED", f"payload.{name}")
    of_another = statement | {whose: OTHER.did}
    assert refusal(bundle(**{name: [of_another]})) == ("PROOF_BUNDLE_AGENT_MISMATCH", f"payload.{name}[0].agent_did")
    for binding in ({"run_id": "run-2"}, {"event_hash_b64u": HASH}):
        code, param = refusal(bundle(**{name: [statement | {"binding": binding}]}))
        assert (code, param) == ("RECEIPT_BINDING_MISMATCH", f"payload.{name}[0].binding.{next(iter(binding))}")
    assert refusal(bundle(**{name: [statement | {"more": 1}]})) == ("SCHEMA_VALIDATION_FAILED", f"payload.{name}[0].more")
    assert refusal(bundle(**{name: [statement | {"hash_algorithm": "BLAKE3"}]}))[0] == "SCHEMA_VALIDATION_FAILED"


def tool_envelope(payload: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A version 2 envelope: what it signs is the same."""
    return sealed("tool_receipt", payload, OTHER) | {"envelope_version": "2"} | changes


def tool_v2(**changes: Any) -> dict[str, Any]:
    return tool_payload(CHAIN[0], receipt_version="2", args_salt_b64u="saltsalt", result_salt_b64u="saltsalt", **changes)


def co_signature(envelope: dict[str, Any], **changes: Any) -> dict[str, Any]:
    signature = encode_b64u(GATEWAY.sign(envelope["payload_hash_b64u"].encode()))
    return {
        "signature_b64u": signature,
        "algorithm": "Ed25519",
        "signer_did": GATEWAY.did,
        "issued_at": TIME,
        "role": "auditor",
    } | changes


def test_tool_receipts_of_both_versions_signed_and_raw() -> None:
    signed = tool_envelope(tool_v2(receipt_id="t4"))
    receipts = [
        tool_payload(CHAIN[0], receipt_id="t1"),
        tool_v2(receipt_id="t2"),
        sealed("tool_receipt", tool_payload(CHAIN[1], receipt_id="t3"), OTHER),
        signed | {"co_signatures": [co_signature(signed)]},
    ]
    record = read(bundle(tool_receipts=receipts)).record
    assert [r.record.receipt_id for r in record.tool_receipts] == ["t1", "t2", "t3", "t4"]
    assert record.inner_signers()[3:] == [("tool_receipt", OTHER.did)] * 2


SIGNED = tool_envelope(tool_v2())


@pytest.mark.parametrize(
    ("receipt", "code", "param"),
    [
        (sealed("tool_receipt", tool_v2(), OTHER), "SCHEMA_VALIDATION_FAILED", ".payload.args_salt_b64u"),
        (tool_envelope(tool_payload(CHAIN[0])), "SCHEMA_VALIDATION_FAILED", ".payload.receipt_version"),
        (SIGNED | {"envelope_version": "3"}, "UNKNOWN_ENVELOPE_VERSION", ".envelope_version"),
        (SIGNED | {"envelope_version": "1", "co_signatures": []}, "MALFORMED_ENVELOPE", ".co_signatures"),
        (SIGNED | {"signature_b64u": flipped(SIGNED["signature_b64u"])}, "SIGNATURE_INVALID", ".signature_b64u"),
        (SIGNED | {"co_signatures": {}}, "SCHEMA_VALIDATION_FAILED", ".co_signatures"),
        (SIGNED | {"co_signatures": [co_signature(SIGNED)] * 17}, "SCHEMA_VALIDATION_FAILED", ".co_signatures"),
        (
            SIGNED | {"co_signatures": [co_signature(SIGNED, role="boss")]},
            "SCHEMA_VALIDATION_FAILED",
            ".co_signatures[0].role",
        ),
        (
            SIGNED | {"co_signatures": [co_signature(SIGNED), co_signature(SIGNED, signer_did=AGENT.did)]},
            "CO_SIGNATURE_INVALID",
            ".co_signatures[1].signature_b64u",
        ),
        (
            SIGNED | {"co_signatures": [co_signature(SIGNED, signature_b64u="short_signature")]},
            "BASE64URL_INVALID",
            ".co_signatures[0].signature_b64u",
        ),
        (tool_envelope(tool_v2(binding={"run_id": "run-2"})), "RECEIPT_BINDING_MISMATCH", ".payload.binding.run_id"),
        (tool_envelope(tool_v2(agent_did=OTHER.did)), "PROOF_BUNDLE_AGENT_MISMATCH", ".payload.agent_did"),
    ],
)
def test_a_tool_receipt_that_does_not_hold_is_refused(receipt: Any, code: str, param: str) -> None:
    assert refusal(bundle(tool_receipts=[receipt])) == (code, f"payload.tool_receipts[0]{param}")


LEAVES = {
    "args.query": ("string", "how many"),
    "args.limit": ("number", 3),
    "args.deep": ("boolean", True),
    "args.none": ("null", None),
    "args.list": ("array", [1, {"a": None}]),
    "args.map": ("object", {"b": 1.5}),
}


def disclosing(changed: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    disclosed = disclosure(LEAVES, [HASH, encode_b64u(hashlib.sha256(b"other").digest())])
    return bundle(
        tool_receipts=[
            tool_v2(args_hash_b64u=disclosed["merkle_root_b64u"], args_disclosure=disclosed | (changed or {})) | changes
        ]
    )


def test_what_is_disclosed_is_what_was_committed_to() -> None:
    assert read(disclosing()).record.tool_receipts[0].record.args_disclosure.disclosed_leaves["args.deep"].value is True
    where = "payload.tool_receipts[0].args_disclosure"
    assert refusal(disclosing(args_hash_b64u=HASH)) == ("DISCLOSURE_ROOT_MISMATCH", f"{where}.merkle_root_b64u")
    assert refusal(disclosing({"redacted_leaf_hashes_b64u": []}))[0] == "DISCLOSURE_ROOT_MISMATCH"
    assert refusal(disclosing({"disclosed_leaves": {}}))[0] == "DISCLOSURE_ROOT_MISMATCH"
    assert refusal(disclosing({"disclosure_algorithm": "other"}))[0] == "SCHEMA_VALIDATION_FAILED"
    for declared, value in [("string", 3), ("number", True), ("boolean", 1), ("null", 0), ("array", {}), ("object", [])]:
        changed = {"disclosed_leaves": {"a": {"type": declared, "value": value, "salt_b64u": "saltsalt"}}}
        assert refusal(disclosing(changed)) == ("DISCLOSURE_TYPE_MISMATCH", f"{where}.disclosed_leaves.a")


CLAIM: dict[str, Any] = {
    "claim_version": "1",
    "scope": "agent",
    "scope_key": AGENT.did,
    "window_start": TIME,
    "window_end": TIME,
    "max_requests": 3,
    "observed_requests": 3,
    "max_tokens_input": 1.5,
    "observed_tokens_input": 1.5,
    "run_id": RUN,
}


@pytest.mark.parametrize(
    ("changes", "code", "member"),
    [
        ({"window_start": "2026-02-12T00:00:00.000000001Z"}, "RATE_LIMIT_WINDOW_INVALID", ".window_start"),
        ({"observed_requests": 3.5}, "RATE_LIMIT_EXCEEDED", ".observed_requests"),
        ({"observed_tokens_input": 2}, "RATE_LIMIT_EXCEEDED", ".observed_tokens_input"),
        ({"observed_tokens_output": 2}, "RATE_LIMIT_CLAIM_INCONSISTENT", ".observed_tokens_output"),
        ({"max_tokens_output": 2}, "RATE_LIMIT_CLAIM_INCONSISTENT", ".observed_tokens_output"),
        ({"run_id": "run-2"}, "RATE_LIMIT_CLAIM_INCONSISTENT", ".run_id"),
        ({"observed_requests": -1}, "SCHEMA_VALIDATION_FAILED", ".observed_requests"),
        ({"more": 1}, "SCHEMA_VALIDATION_FAILED", ".more"),
    ],
)
def test_a_rate_limit_claim_must_agree_with_itself(changes: dict[str, Any], code: str, member: str) -> None:
    read(bundle(rate_limit_claims=[CLAIM]))
    assert refusal(bundle(rate_limit_claims=[CLAIM | changes])) == (code, f"payload.rate_limit_claims[0]{member}")
