"""Envelopes are closed, versioned, and bound to the exact text that was hashed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.keys import GATEWAY, STRANGER
from tests.support.payloads import NOW, gateway_receipt
from trustlog.errors import Refused
from trustlog.formats.envelope import (
    OPTIONAL,
    REQUIRED,
    check_signature,
    envelope_from_value,
    parse_envelope,
    seal_envelope,
)

Members = dict[str, Any]


def sealed() -> Members:
    value = json.loads(seal_envelope("gateway_receipt", gateway_receipt(), GATEWAY, NOW))
    assert isinstance(value, dict)
    return value


def refused_by(members: object) -> Refused:
    with pytest.raises(Refused) as refused:
        parse_envelope(json.dumps(members, separators=(",", ":")).encode())
    return refused.value


def test_what_was_sealed_parses_and_its_signature_verifies() -> None:
    envelope = parse_envelope(seal_envelope("gateway_receipt", gateway_receipt(), GATEWAY, NOW))
    assert envelope.kind == "gateway_receipt"
    assert envelope.payload == gateway_receipt()
    assert envelope.signer_did == GATEWAY.did
    assert envelope.attachments == {"issued_at": NOW}
    check_signature(envelope.payload_hash_b64u, envelope.signature, envelope.signer_did)


def test_the_signature_covers_the_43_characters_and_not_the_32_bytes() -> None:
    envelope = parse_envelope(seal_envelope("gateway_receipt", gateway_receipt(), GATEWAY, NOW))
    over_bytes = GATEWAY.sign(envelope.payload_hash)
    with pytest.raises(Refused, match="SIGNATURE_INVALID"):
        check_signature(envelope.payload_hash_b64u, over_bytes, GATEWAY.did)


def test_another_keys_signature_is_refused() -> None:
    envelope = parse_envelope(seal_envelope("gateway_receipt", gateway_receipt(), GATEWAY, NOW))
    with pytest.raises(Refused) as refused:
        check_signature(envelope.payload_hash_b64u, envelope.signature, STRANGER.did)
    assert (refused.value.code, refused.value.param) == ("SIGNATURE_INVALID", "signature_b64u")


@pytest.mark.parametrize("name", REQUIRED)
def test_an_envelope_that_lacks_a_member_is_refused_naming_it(name: str) -> None:
    members = sealed()
    del members[name]
    refused = refused_by(members)
    assert (refused.code, refused.param, refused.found) == ("MALFORMED_ENVELOPE", name, "absent")


@pytest.mark.parametrize("name", [*REQUIRED, *OPTIONAL])
@pytest.mark.parametrize("value", [None, 1, True, [], ["1"], "an object"])
def test_a_member_of_the_wrong_type_is_refused_naming_it(name: str, value: object) -> None:
    value = {} if value == "an object" and name != "payload" else value
    refused = refused_by({**sealed(), name: value})
    assert (refused.code, refused.param) == ("MALFORMED_ENVELOPE", name)
    assert refused.expected
    assert refused.found


@pytest.mark.parametrize("name", ["extra", "Payload", "co_signatures", "", "payload "])
def test_an_unknown_member_is_refused_naming_it(name: str) -> None:
    refused = refused_by({**sealed(), name: "x"})
    assert (refused.code, refused.param, refused.found) == ("MALFORMED_ENVELOPE", name, name)


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="MALFORMED_ENVELOPE"):
        parse_envelope(body)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("envelope_version", "2", "UNKNOWN_ENVELOPE_VERSION"),
        ("envelope_version", "", "UNKNOWN_ENVELOPE_VERSION"),
        ("hash_algorithm", "BLAKE3", "UNKNOWN_HASH_ALGORITHM"),
        ("hash_algorithm", "sha-256", "UNKNOWN_HASH_ALGORITHM"),
        ("algorithm", "ed25519", "UNKNOWN_ALGORITHM"),
        ("algorithm", "ES256", "UNKNOWN_ALGORITHM"),
        ("envelope_type", "", "UNKNOWN_ENVELOPE_TYPE"),
        ("envelope_type", "Gateway_Receipt", "UNKNOWN_ENVELOPE_TYPE"),
        ("envelope_type", "x" * 65, "UNKNOWN_ENVELOPE_TYPE"),
        ("signer_did", "did:web:gateway.test", "INVALID_DID_FORMAT"),
        ("signer_did", GATEWAY.did + "x", "INVALID_DID_FORMAT"),
        ("issued_at", "yesterday", "MALFORMED_ENVELOPE"),
        ("expires_at", "2026-02-30T00:00:00Z", "MALFORMED_ENVELOPE"),
        ("payload_hash_b64u", "A" * 42, "BASE64URL_INVALID"),
        ("payload_hash_b64u", "A" * 43 + "=", "BASE64URL_INVALID"),
        ("payload_hash_b64u", "A" * 42 + "B", "BASE64URL_INVALID"),
        ("payload_hash_b64u", "A" * 43, "HASH_MISMATCH"),
        ("signature_b64u", "A" * 85, "BASE64URL_INVALID"),
        ("signature_b64u", "A" * 85 + "B", "BASE64URL_INVALID"),
        ("signature_b64u", "+" * 86, "BASE64URL_INVALID"),
    ],
)
def test_a_value_that_is_not_known_or_not_exact_is_refused_naming_its_member(name: str, value: str, code: str) -> None:
    refused = refused_by({**sealed(), name: value})
    assert (refused.code, refused.param) == (code, name)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda body: body[:-1], "JSON_INVALID"),
        (lambda body: body + b"{}", "JSON_INVALID"),
        (lambda body: b'{"payload":{},' + body[1:], "JSON_DUPLICATE_KEY"),
        (lambda body: body.replace(b'"tokens_input":120', b'"tokens_input":120,"tokens_input":120'), "JSON_DUPLICATE_KEY"),
        (lambda body: body.replace(b'"tokens_input":120', b'"tokens_input":NaN'), "JSON_INVALID"),
        (lambda body: body.replace(b'"tokens_input":120', b'"tokens_input":9007199254740992'), "JSON_NUMBER_OUT_OF_RANGE"),
        (lambda body: body.replace(b'"gpt-test"', b'"\\ud800"'), "JSON_LONE_SURROGATE"),
        (lambda body: body.replace(b'"gpt-test"', b'"\xff"'), "JSON_INVALID"),
        (lambda body: body.replace(b'"free-form"', b"[" * 65 + b"]" * 65), "JSON_TOO_DEEP"),
        (lambda body: b"\xef\xbb\xbf" + body, "JSON_INVALID"),
    ],
)
def test_text_that_readers_disagree_on_is_refused_before_anything_else(spoil: Callable[[bytes], bytes], code: str) -> None:
    body = seal_envelope("gateway_receipt", gateway_receipt(), GATEWAY, NOW)
    spoilt = spoil(body)
    assert spoilt != body
    with pytest.raises(Refused) as refused:
        parse_envelope(spoilt)
    assert refused.value.code == code


def test_the_dates_are_kept_as_attachments_and_change_nothing_else() -> None:
    one = parse_envelope(json.dumps(sealed()).encode())
    other = parse_envelope(json.dumps({**sealed(), "issued_at": "2001-01-01T00:00:00Z", "expires_at": NOW}).encode())
    assert other.attachments == {"issued_at": "2001-01-01T00:00:00Z", "expires_at": NOW}
    assert (other.payload_text, other.payload_hash, other.signature) == (one.payload_text, one.payload_hash, one.signature)


def test_an_envelope_inside_a_document_reads_as_it_does_alone() -> None:
    members = sealed()
    inside = envelope_from_value(members, "payload.receipts[0]")
    assert inside == parse_envelope(json.dumps(members).encode())


BODY = seal_envelope("gateway_receipt", gateway_receipt(), GATEWAY, NOW)


@settings(max_examples=300)
@given(st.integers(0, len(BODY) - 1), st.binary(max_size=3), st.integers(0, 4))
@example(0, b"", 1)
def test_a_damaged_envelope_is_refused_or_says_the_same(position: int, put: bytes, cut: int) -> None:
    damaged = BODY[:position] + put + BODY[position + cut :]
    whole = parse_envelope(BODY)
    try:
        envelope = parse_envelope(damaged)
        check_signature(envelope.payload_hash_b64u, envelope.signature, envelope.signer_did)
    except Refused:
        return
    assert envelope.payload_text == whole.payload_text
    assert envelope.signer_did == whole.signer_did
