"""A receipt in a bundle is read from the text that was signed, as it was read from the log, and its faults say where."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.changebuilder import ROLE_KEYS, Change, Payload, envelope
from tests.verifier.logbuilder import hash_of, jcs
from verifier.errors import Refused
from verifier.jsonforms import stringify
from verifier.records.bundled import BundledReceipts, read_receipts
from verifier.records.receipts import read_gateway_receipt


def receipt_of(**members: Any) -> Payload:
    payload: Payload = copy.deepcopy(Change().build().receipts[0]["payload"])
    return payload | members


def sealed(payload: Payload, *, text: bytes | None = None) -> Payload:
    signed = jcs(payload) if text is None else text
    return envelope("gateway_receipt", payload, ROLE_KEYS["gateways"], hash_of(signed))


def read(*envelopes: Payload) -> BundledReceipts:
    named: dict[str, list[Payload]] = {"tool": [], "side_effect": [], "approvals": [], "delegations": []}
    return read_receipts(gateway=envelopes, **named, agent_did=ROLE_KEYS["agents"].did)


@pytest.mark.parametrize("form", [jcs, stringify], ids=["RFC 8785", "JSON.stringify"])
def test_it_says_what_the_log_says(form: Callable[[object], bytes]) -> None:
    payload = receipt_of()
    text = form(payload)
    ((opened, receipt),) = read(sealed(payload, text=text)).gateway
    assert opened.text == text
    assert receipt == read_gateway_receipt(text)


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        (receipt_of(tokens_input=10_000_001), "receipts[1].tokens_input"),
        (receipt_of(more=1), "receipts[1].more"),
        (receipt_of(binding={"run_id": 7}), "receipts[1].binding.run_id"),
        (receipt_of(metadata={"note": "x" * (16 << 10)}), "receipts[1].metadata"),
    ],
)
def test_a_fault_says_which_receipt_and_which_member(payload: Payload, place: str) -> None:
    with pytest.raises(Refused) as refused:
        read(sealed(receipt_of()), sealed(payload))
    assert (refused.value.code, refused.value.detail) == ("SCHEMA_VALIDATION_FAILED", place)


def test_a_receipt_that_was_read_does_not_speak_for_another() -> None:
    first, second = receipt_of(), receipt_of(receipt_id="another", tokens_input=11)
    (_, one), (_, other) = read(sealed(first), sealed(second)).gateway
    assert (one.receipt_id, one.tokens_input) == (first["receipt_id"], first["tokens_input"])
    assert (other.receipt_id, other.tokens_input) == ("another", 11)


def test_a_proof_that_was_added_after_signing_is_not_part_of_the_record() -> None:
    payload = receipt_of()
    added = copy.deepcopy(payload)
    added["metadata"]["log_inclusion_proof"] = {"proof": ["x"]}
    ((opened, receipt),) = read(sealed(added, text=jcs(payload))).gateway
    assert receipt == read_gateway_receipt(jcs(payload))
    assert "log_inclusion_proof" not in (receipt.metadata or {})
    assert opened.payload == payload
