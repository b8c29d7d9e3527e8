"""Envelopes inside a proof bundle: each rule on both of its sides."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.logbuilder import Key, b64u, hash_of, jcs, to_json
from verifier.errors import Refused
from verifier.limits import MAX_METADATA_BYTES
from verifier.records.envelope import open_envelope

SIGNER, OTHER = Key("gateway"), Key("another")
PAYLOAD = {"z": 1, "a": "text"}
Change = Callable[[dict[str, Any]], object]


def seal(payload: object = None, *, text: bytes | None = None) -> dict[str, Any]:
    payload = PAYLOAD if payload is None else payload
    name = hash_of(jcs(payload) if text is None else text)
    return {
        "envelope_version": "1",
        "envelope_type": "gateway_receipt",
        "payload": copy.deepcopy(payload),
        "payload_hash_b64u": name,
        "hash_algorithm": "SHA-256",
        "signature_b64u": b64u(SIGNER.sign(name.encode())),
        "algorithm": "Ed25519",
        "signer_did": SIGNER.did,
        "issued_at": "2026-03-02T09:00:00Z",
    }


def code_of(envelope: object, *, kind: str = "gateway_receipt", version: str = "1") -> str | None:
    try:
        open_envelope(envelope, "envelope", kind=kind, version=version)
    except Refused as refused:
        return refused.code
    return None


def changed(change: Change) -> dict[str, Any]:
    envelope = seal()
    change(envelope)
    return envelope


def test_an_envelope_is_opened_in_either_form_of_its_payload() -> None:
    for text in (jcs(PAYLOAD), to_json(PAYLOAD)):
        opened = open_envelope(seal(text=text), "envelope", kind="gateway_receipt")
        assert (opened.signer_did, opened.kind, opened.payload) == (SIGNER.did, "gateway_receipt", PAYLOAD)
        assert opened.payload_hash_b64u == hash_of(text)
        assert not opened.has_cosignatures
    assert code_of(changed(lambda e: e.update(expires_at="2027-03-02T09:00:00+01:00"))) is None


@pytest.mark.parametrize("name", [name for name in seal() if name != "payload"])
def test_every_member_is_needed_and_text(name: str) -> None:
    assert code_of(changed(lambda e: e.pop(name))) == "MALFORMED_ENVELOPE"
    assert code_of(changed(lambda e: e.update({name: 1}))) == "MALFORMED_ENVELOPE"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda e: e.pop("payload"), "MALFORMED_ENVELOPE"),
        (lambda e: e.update(payload=[]), "MALFORMED_ENVELOPE"),
        (lambda e: e.update(unknown=1), "MALFORMED_ENVELOPE"),
        (lambda e: e.update(co_signatures=[]), "MALFORMED_ENVELOPE"),
        (lambda e: e.update(issued_at="2026-03-02"), "MALFORMED_ENVELOPE"),
        (lambda e: e.update(expires_at="2026-03-02"), "MALFORMED_ENVELOPE"),
        (lambda e: e.update(expires_at=None), "MALFORMED_ENVELOPE"),
        (lambda e: e.update(envelope_version="2"), "UNKNOWN_ENVELOPE_VERSION"),
        (lambda e: e.update(hash_algorithm="SHA-512"), "UNKNOWN_HASH_ALGORITHM"),
        (lambda e: e.update(algorithm="RS256"), "UNKNOWN_ALGORITHM"),
        (lambda e: e.update(envelope_type="Gateway"), "UNKNOWN_ENVELOPE_TYPE"),
        (lambda e: e.update(envelope_type="tool_receipt"), "SCHEMA_VALIDATION_FAILED"),
        (lambda e: e.update(payload_hash_b64u=e["payload_hash_b64u"] + "="), "BASE64URL_INVALID"),
        (lambda e: e.update(payload_hash_b64u=b64u(bytes(31))), "BASE64URL_INVALID"),
        (lambda e: e.update(signature_b64u=b64u(bytes(63))), "BASE64URL_INVALID"),
        (lambda e: e.update(signature_b64u=b64u(bytes(64))), "SIGNATURE_INVALID"),
        (lambda e: e.update(signer_did="did:web:a"), "INVALID_DID_FORMAT"),
        (lambda e: e.update(signer_did=OTHER.did), "SIGNATURE_INVALID"),
        (lambda e: e["payload"].update(z=2), "HASH_MISMATCH"),
    ],
)
def test_what_is_no_envelope_is_refused(change: Change, code: str) -> None:
    assert code_of(changed(change)) == code


def test_a_value_that_is_no_object_is_no_envelope() -> None:
    others: list[object] = [None, [], "text"]
    assert [code_of(value) for value in others] == ["MALFORMED_ENVELOPE"] * 3


@pytest.mark.parametrize(
    "metadata", [{"log_inclusion_proof": {"leaf": 1}}, {"log_inclusion_proof": {"leaf": 1}, "note": "kept"}]
)
def test_a_proof_that_was_added_after_signing_is_lifted_out(metadata: dict[str, Any]) -> None:
    rest = {name: value for name, value in metadata.items() if name != "log_inclusion_proof"}
    ways = [{**PAYLOAD, "metadata": rest}, *([] if rest else [PAYLOAD])]
    for signed in ways:
        envelope = seal(signed)
        envelope["payload"] = {**PAYLOAD, "metadata": copy.deepcopy(metadata)}
        assert open_envelope(envelope, "envelope", kind="gateway_receipt").payload == signed


def test_metadata_that_was_added_is_not_lifted_out_with_the_proof() -> None:
    envelope = seal()
    envelope["payload"]["metadata"] = {"log_inclusion_proof": {"leaf": 1}, "note": "added"}
    assert code_of(envelope) == "HASH_MISMATCH"


def test_only_a_gateway_receipt_may_have_one_added_and_only_a_small_one() -> None:
    for kind, size, code in (
        ("gateway_receipt", MAX_METADATA_BYTES - 2, None),
        ("gateway_receipt", MAX_METADATA_BYTES - 1, "HASH_MISMATCH"),
        ("tool_receipt", 1, "HASH_MISMATCH"),
    ):
        envelope = seal() | {"envelope_type": kind}
        envelope["payload"] = {**PAYLOAD, "metadata": {"log_inclusion_proof": "x" * size}}
        assert code_of(envelope, kind=kind) == code, (kind, size)


def cosigned(**changes: object) -> dict[str, Any]:
    envelope = seal() | {"envelope_version": "2"}
    member = {
        "signature_b64u": b64u(OTHER.sign(envelope["payload_hash_b64u"].encode())),
        "algorithm": "Ed25519",
        "signer_did": OTHER.did,
        "issued_at": "2026-03-02T09:00:00Z",
        "role": "auditor",
    }
    return envelope | {"co_signatures": [member | changes]}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"role": "owner"}, "SCHEMA_VALIDATION_FAILED"),
        ({"algorithm": "RS256"}, "SCHEMA_VALIDATION_FAILED"),
        ({"issued_at": "now"}, "SCHEMA_VALIDATION_FAILED"),
        ({"signer_did": SIGNER.did}, "CO_SIGNATURE_INVALID"),
        ({"signature_b64u": b64u(bytes(64))}, "CO_SIGNATURE_INVALID"),
        ({"signature_b64u": b64u(bytes(63))}, "BASE64URL_INVALID"),
        ({"unknown": 1}, "SCHEMA_VALIDATION_FAILED"),
    ],
)
def test_every_co_signature_is_checked(changes: dict[str, object], code: str | None) -> None:
    assert code_of(cosigned(**changes), version="2") == code


def test_at_most_sixteen_co_signatures_and_the_envelope_says_that_it_has_some() -> None:
    envelope = cosigned()
    assert open_envelope(envelope, "envelope", kind="gateway_receipt", version="2").has_cosignatures
    assert code_of(envelope | {"co_signatures": envelope["co_signatures"] * 16}, version="2") is None
    assert code_of(envelope | {"co_signatures": envelope["co_signatures"] * 17}, version="2") == "SCHEMA_VALIDATION_FAILED"
    assert code_of(envelope | {"co_signatures": {}}, version="2") == "SCHEMA_VALIDATION_FAILED"
