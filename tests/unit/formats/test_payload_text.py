"""Which text of a payload is the payload: the one that was hashed, if it is one of the two exact forms of its value."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from tests.support.keys import GATEWAY
from tests.support.payloads import NOW, gateway_receipt, hash_of
from tests.unit.formats.test_jsontext import JSON_VALUES
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.compactjson import decode_compact
from trustlog.formats.envelope import (
    LIFTED,
    Envelope,
    check_signature,
    parse_envelope,
    seal_text,
)
from trustlog.formats.jsontext import accepted_text, canonicalize, parse_json
from trustlog.limits import MAX_ATTACHMENT_BYTES

# Not in the order of RFC 8785, and with a number that JavaScript would write otherwise.
WRITTEN = '{"b":1.0,"a":{"10":"é","9":[1e3]}}'
STRINGIFIED = '{"b":1,"a":{"9":[1000],"10":"é"}}'
CANONICAL = '{"a":{"10":"é","9":[1000]},"b":1}'


def envelope_text(payload_text: str, hashed: str, kind: str = "gateway_receipt") -> bytes:
    """An envelope that carries `payload_text`, with hash and signature of `hashed`."""
    return seal_text(kind, hashed.encode(), GATEWAY, NOW).replace(
        b'"payload":' + hashed.encode() + b',"payload_hash', b'"payload":' + payload_text.encode() + b',"payload_hash'
    )


def parse(payload_text: str, hashed: str, kind: str = "gateway_receipt") -> Envelope:
    envelope = parse_envelope(envelope_text(payload_text, hashed, kind))
    check_signature(envelope.payload_hash_b64u, envelope.signature, envelope.signer_did)
    assert envelope.payload_hash == hashlib.sha256(hashed.encode()).digest()
    assert envelope.payload_text == hashed.encode()
    assert accepted_text(envelope.payload_text, envelope.payload)
    return envelope


def code_of(payload_text: str, hashed: str, kind: str = "gateway_receipt") -> str:
    with pytest.raises(Refused) as refused:
        parse_envelope(envelope_text(payload_text, hashed, kind))
    assert refused.value.param in ("payload", "payload_hash_b64u")
    return refused.value.code


@pytest.mark.parametrize("form", [STRINGIFIED, CANONICAL])
def test_either_form_is_accepted_as_received_and_its_order_survives(form: str) -> None:
    assert parse(form, form).attachments == {"issued_at": NOW}


@pytest.mark.parametrize("carried", [WRITTEN, STRINGIFIED, json.dumps(json.loads(CANONICAL), indent=2)])
@pytest.mark.parametrize("form", [STRINGIFIED, CANONICAL])
def test_a_payload_that_was_written_otherwise_is_found_by_its_hash(carried: str, form: str) -> None:
    if carried in (WRITTEN, STRINGIFIED) or form == CANONICAL:
        parse(carried, form)
    else:  # pretty-printed in sorted order: the order that was stringified is lost
        assert code_of(carried, form) == "HASH_MISMATCH"


def test_the_payloads_value_is_that_of_its_text() -> None:
    envelope = parse(WRITTEN, STRINGIFIED)
    assert envelope.payload["b"] == 1
    assert isinstance(envelope.payload["b"], int)  # not 1.0, as it was written


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(gateway_receipt(), indent=2),
        json.dumps(gateway_receipt()),  # with blanks after separators
        WRITTEN,
        '{"a": 1}',
        '{"a":1 }',
        '{"a":1.0}',
        '{"a":-0}',
        '{"a":1e2}',
        '{"a":1E21}',
        '{"a":"\\/"}',
        '{"a":"\\u00e9"}',
        '{"a":"\\u001F"}',
        '{"a":"\\u0008"}',
        '{"a":"\\u2028"}',
        '{"b":0,"1":0}',  # JavaScript writes array indexes first
    ],
)
def test_a_text_that_is_neither_form_is_refused_even_if_its_hash_fits(text: str) -> None:
    assert code_of(text, text) == "PAYLOAD_TEXT_NOT_ACCEPTED"


@pytest.mark.parametrize("text", ['{"b":0,"a":0}', '{"a":1e+21}', '{"a":"\u2028\u007f\\u001f\\b"}', '{"1":0,"b":0}', "{}"])
def test_a_text_that_is_a_form_is_accepted_if_its_hash_fits(text: str) -> None:
    parse(text, text)


def test_blanks_around_the_payload_in_its_envelope_do_not_matter() -> None:
    parse(f" \n {STRINGIFIED} \t", STRINGIFIED)


def test_a_payload_with_another_hash_is_refused_with_the_hash_that_it_has() -> None:
    with pytest.raises(Refused) as refused:
        parse_envelope(envelope_text('{"a":2}', '{"a":1}'))
    assert refused.value.code == "HASH_MISMATCH"
    assert encode_b64u(hashlib.sha256(b'{"a":2}').digest()) in (refused.value.expected or "")


# A proxy with transparency on adds metadata.log_inclusion_proof to a receipt after it signed.

PROOF = {"log_id": "clawlogs", "leaf_index": 3}


def with_proof(receipt: dict[str, Any], proof: object = PROOF) -> str:
    metadata = {**receipt.get("metadata", {}), LIFTED: proof}
    return json.dumps({**receipt, "metadata": metadata}, separators=(",", ":"), ensure_ascii=False)


def signed_text(receipt: dict[str, Any]) -> str:
    return json.dumps(receipt, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize(
    "receipt",
    [
        gateway_receipt(),
        gateway_receipt(metadata={}),
        {name: member for name, member in gateway_receipt().items() if name != "metadata"},
    ],
    ids=["metadata with members", "empty metadata", "no metadata"],
)
def test_a_proof_added_after_signing_is_lifted_out_and_kept_apart(receipt: dict[str, Any]) -> None:
    for hashed in (signed_text(receipt), canonicalize(receipt).decode()):
        envelope = parse(with_proof(receipt), hashed)
        assert envelope.payload == receipt
        assert envelope.attachments[LIFTED] == PROOF


def test_a_proof_that_was_signed_stays_in_the_payload() -> None:
    text = with_proof(gateway_receipt())
    envelope = parse(text, text)
    assert envelope.payload["metadata"][LIFTED] == PROOF
    assert LIFTED not in envelope.attachments


def test_nothing_else_is_lifted() -> None:
    receipt = gateway_receipt()
    other = json.dumps({**receipt, "metadata": {**receipt["metadata"], "another": PROOF}}, separators=(",", ":"))
    assert code_of(other, signed_text(receipt)) == "HASH_MISMATCH"
    changed = with_proof(gateway_receipt(model="another"))
    assert code_of(changed, signed_text(receipt)) == "HASH_MISMATCH"


def test_nothing_is_lifted_out_of_another_kind() -> None:
    assert code_of(with_proof(gateway_receipt()), signed_text(gateway_receipt()), "tool_receipt") == "HASH_MISMATCH"


def test_a_lifted_proof_is_kept_up_to_16_kib_and_refused_beyond() -> None:
    fitting = "x" * (MAX_ATTACHMENT_BYTES - 2)  # and two quotes
    receipt = gateway_receipt()
    assert parse(with_proof(receipt, fitting), signed_text(receipt)).attachments[LIFTED] == fitting
    assert code_of(with_proof(receipt, fitting + "x"), signed_text(receipt)) == "HASH_MISMATCH"


# The fast path.


@settings(max_examples=300)
@given(JSON_VALUES, st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_the_fast_path_accepts_only_what_the_slow_one_does(
    value: Any, ascii_only: bool, separators: tuple[str, str], sort: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, separators=separators, sort_keys=sort).encode()
    try:
        read = parse_json(text)
    except Refused:
        return
    if decode_compact(text) is not UNSET:
        assert accepted_text(text, read)


@given(st.text(alphabet='{}[]",:\\/u0d8eE1.-+tn\n\x7f\u2028é', max_size=24))
def test_the_fast_path_accepts_only_what_the_slow_one_does_of_any_text(text: str) -> None:
    for raw in (text.encode(), b'"' + text.encode() + b'"', b'{"a":"' + text.encode() + b'"}'):
        try:
            read = parse_json(raw)
        except Refused:
            continue
        if decode_compact(raw) is not UNSET:
            assert accepted_text(raw, read)


NUMBERS = st.sampled_from(["0", "-0", "1.0", "0.5", "-1.5", "1e3", "1E21", "1e+21", "100", "-7", "0e0", "12.50"])


@given(st.lists(NUMBERS, max_size=4), NUMBERS, NUMBERS)
def test_the_fast_path_sees_every_number_wherever_it_stands(items: list[str], member: str, alone: str) -> None:
    for text in (alone, f"[{','.join(items)}]", f'{{"a":{member},"b":[{alone}]}}'):
        if decode_compact(text.encode()) is not UNSET:
            assert accepted_text(text.encode(), parse_json(text.encode()))


def test_the_fast_path_takes_a_usual_receipt() -> None:
    for number in range(200):
        receipt = gateway_receipt(
            timestamp=f"2026-03-02T09:00:{number % 60:02d}.{number:03d}Z",
            request_hash_b64u=hash_of(f"request {number}"),
            response_hash_b64u=hash_of(f"response {number}"),
        )
        assert decode_compact(signed_text(receipt).encode()) == receipt
