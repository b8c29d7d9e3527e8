"""Receipts of the calls of one run make one event chain and one tree of spans."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from trustlog.proxy.receipt import CallBinding, ModelCall, PublishedCall, published_call, receipt_payload
from trustlog.records.event_chain import Event, check_event_chain
from trustlog.records.fields import convert_record
from trustlog.records.receipts import GatewayReceipt

HASH = "A" * 43


def receipt(number: int, previous: PublishedCall | None) -> dict[str, Any]:
    call = ModelCall(
        call_id=f"call-{number}",
        provider="example",
        model="example-model",
        request_hash_b64u=HASH[:42] + "AEIM"[number],
        response_hash_b64u=HASH,
        tokens_input=1,
        tokens_output=2,
        latency_ms=3,
        timestamp=f"2026-03-01T12:00:0{number}Z",
    )
    return receipt_payload("gateway.example", call, CallBinding("run-1", HASH, HASH, previous))


def run_of_three() -> list[dict[str, Any]]:
    payloads: list[dict[str, Any]] = []
    for number in range(3):
        payloads.append(receipt(number, published_call(payloads[-1]) if payloads else None))
    return payloads


def test_the_first_call_of_a_run_follows_nothing() -> None:
    first = receipt(0, None)
    assert first["metadata"]["event"]["prev_hash_b64u"] is None
    assert "parent_span_id" not in first["binding"]


def test_every_later_call_names_the_span_and_the_event_of_the_one_before() -> None:
    payloads = run_of_three()
    for before, after in pairwise(payloads):
        assert after["binding"]["parent_span_id"] == before["binding"]["span_id"] == before["receipt_id"]
        assert after["metadata"]["event"]["prev_hash_b64u"] == before["binding"]["event_hash_b64u"]


def test_their_events_are_a_chain_and_each_receipt_is_bound_to_its_own() -> None:
    payloads = run_of_three()
    events = [payload["metadata"]["event"] for payload in payloads]
    check_event_chain([convert_record(event, Event) for event in events], "events")
    for payload, event in zip(payloads, events, strict=True):
        record = convert_record(payload, GatewayReceipt)
        assert (record.binding.run_id, record.binding.event_hash_b64u) == (event["run_id"], event["event_hash_b64u"])
        assert record.request_hash_b64u == event["payload_hash_b64u"]
