"""Building a gateway receipt and the event that it stands for.

Receipts that we issue carry their event header in ``metadata.event``, so that the event chain of a run can be rebuilt from the
log: ``event_hash_b64u`` and ``run_id`` equal the binding's, and the event's ``payload_hash_b64u`` equals the receipt's
``request_hash_b64u``. A call's predecessor is the last call of the same run and token scope whose receipt was published.

Every receipt has a span, and names its predecessor's as its parent: Clawsig's reference verifier refuses a bundle whose spans
are more than one tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trustlog.records.event_chain import compute_event_hash


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call, as the gateway saw it. Hashes are base64url SHA-256 of the request's and the response's bytes."""

    call_id: str
    provider: str
    model: str
    request_hash_b64u: str
    response_hash_b64u: str
    tokens_input: int
    tokens_output: int
    latency_ms: int
    timestamp: str


@dataclass(frozen=True, slots=True)
class PublishedCall:
    """A call whose receipt was published: what the next call of its run follows."""

    call_id: str
    event_hash_b64u: str


@dataclass(frozen=True, slots=True)
class CallBinding:
    """The job that a call belongs to, and the call before it (None for the first of the run)."""

    run_id: str
    policy_hash_b64u: str
    token_scope_hash_b64u: str
    previous: PublishedCall | None


def receipt_payload(gateway_id: str, call: ModelCall, binding: CallBinding) -> dict[str, Any]:
    """The ``gateway_receipt`` payload of one call; :func:`published_call` makes it the predecessor of the next."""
    event = _event(call, binding)
    parent = {} if binding.previous is None else {"parent_span_id": binding.previous.call_id}
    return {
        "receipt_version": "1",
        "receipt_id": call.call_id,
        "gateway_id": gateway_id,
        "provider": call.provider,
        "model": call.model,
        "request_hash_b64u": call.request_hash_b64u,
        "response_hash_b64u": call.response_hash_b64u,
        "tokens_input": call.tokens_input,
        "tokens_output": call.tokens_output,
        "latency_ms": call.latency_ms,
        "timestamp": call.timestamp,
        "binding": {
            "run_id": binding.run_id,
            "event_hash_b64u": event["event_hash_b64u"],
            "nonce": call.call_id,
            "policy_hash": binding.policy_hash_b64u,
            "token_scope_hash_b64u": binding.token_scope_hash_b64u,
            "span_id": call.call_id,
            **parent,
        },
        "metadata": {"event": event},
    }


def published_call(payload: Mapping[str, Any]) -> PublishedCall:
    """The call that a receipt's payload is about, for the call after it."""
    return PublishedCall(payload["receipt_id"], payload["metadata"]["event"]["event_hash_b64u"])


def _event(call: ModelCall, binding: CallBinding) -> dict[str, Any]:
    header: dict[str, Any] = {
        "event_id": f"event:{call.call_id}",
        "run_id": binding.run_id,
        "event_type": "llm_call",
        "timestamp": call.timestamp,
        "payload_hash_b64u": call.request_hash_b64u,
        "prev_hash_b64u": None if binding.previous is None else binding.previous.event_hash_b64u,
    }
    return {**header, "event_hash_b64u": compute_event_hash(**header)}
