"""Tool calls, effects and approvals with the binding that Clawsig's SDK gives them are read, alone and in a bundle.

Their published schemas list five texts in a binding and leave it open; the SDK adds a span, its parents, a phase and a confidence,
which is a number. Both readers must take the same.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.support import payloads
from tests.support.envelopes import SIGNERS, candidate
from tests.support.trust import ORIGIN
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import canonicalize
from verifier.errors import Refused as VerifierRefused
from verifier.records.kinds import compute_refs, read_record

KINDS = ["tool_receipt", "side_effect_receipt", "human_approval_receipt"]
CAUSAL = {
    "span_id": "span_tool_1",
    "parent_span_id": "span_llm_1",
    "tool_span_id": "span_tool_1",
    "phase": "execution",
    "attribution_confidence": 1,
}


def with_binding(kind: str, **members: Any) -> payloads.Payload:
    payload = payloads.VALID[kind]()
    return {**payload, "binding": {**payload["binding"], **members}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("confidence", [0, 0.5, 1])
def test_they_are_admitted_and_read_with_the_same_refs(kind: str, confidence: float) -> None:
    payload = with_binding(kind, **{**CAUSAL, "attribution_confidence": confidence})
    admitted = candidate(kind, payload)
    assert admitted.record.binding.attribution_confidence == confidence
    text = canonicalize(payload)
    read = read_record(kind, text, signer_did=SIGNERS[kind].did, origin=ORIGIN)
    assert compute_refs(read, encode_b64u(hashlib.sha256(text).digest())) == admitted.refs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("member", ["attribution_confidence", "attributionConfidence"])
def test_a_confidence_in_words_is_refused_by_both(kind: str, member: str) -> None:
    payload = with_binding(kind, **{member: "certain"})
    with pytest.raises(Refused, match="SCHEMA_VALIDATION_FAILED") as refused:
        candidate(kind, payload)
    assert refused.value.param == f"payload.binding.{member}"
    with pytest.raises(VerifierRefused, match="SCHEMA_VALIDATION_FAILED"):
        read_record(kind, canonicalize(payload), signer_did=SIGNERS[kind].did, origin=ORIGIN)


def test_a_bundle_with_a_raw_tool_receipt_of_theirs_is_admitted_and_read() -> None:
    (event, *_) = payloads.proof_bundle()["event_chain"]
    ours = {"run_id": event["run_id"], "event_hash_b64u": event["event_hash_b64u"], "nonce": "nonce-1"}
    bundle = payloads.proof_bundle(tool_receipts=[payloads.tool_receipt(binding={**ours, **CAUSAL})])
    admitted = candidate("proof_bundle", bundle)
    assert len(admitted.record.tool_receipts) == 1
    read_record("proof_bundle", canonicalize(bundle), signer_did=SIGNERS["proof_bundle"].did, origin=ORIGIN)
