"""What a log of realistic records holds: some whole changes first, then gateway receipts of the size that proxies write."""

from __future__ import annotations

import hashlib
import json
from functools import cache

from nacl.signing import SigningKey

from tests.verifier.changebuilder import ORIGIN, ROLE_KEYS, Change, at, event_hash, receipt_refs, trust_toml
from tests.verifier.logbuilder import LogBuilder, encode_entry, hash_of
from verifier.encodings import encode_b64u

CALLS_OF_A_RUN = 40
TRUST = trust_toml(absence="log")

__all__ = ["ORIGIN", "TRUST", "make_changes", "make_receipt"]


def make_changes(count: int) -> LogBuilder:
    """A log of whole changes, each of 15 to 17 records, from policy to closure."""
    log = LogBuilder(ORIGIN)
    for number in range(count):
        job, run, ticket = f"job-c{number}", f"run-c{number}", f"jira.example:CHG-{number}"
        Change(log=log, clock=20.0 * number, job=job, run=run, ticket=ticket).build()
    return log


@cache
def _gateway() -> tuple[SigningKey, str]:
    key = ROLE_KEYS["gateways"]
    return key.signing, key.did


def make_receipt(index: int, size: int) -> tuple[bytes, bytes]:
    """Entry and payload of one model call, as a proxy in the field serialises it: in the order written, about `size` bytes.

    Forty calls make a run, whose events are numbered; what fills the payload is metadata as proxies add it.
    """
    run, call = divmod(index, CALLS_OF_A_RUN)
    event = {
        "event_id": f"evt-{run}-{call}",
        "run_id": f"run-{run}",
        "event_type": "llm_call",
        "timestamp": at(call),
        "payload_hash_b64u": hash_of(b"request %d" % index),
        "prev_hash_b64u": hash_of(b"event %d" % (index - 1)) if call else None,
    }
    event["event_hash_b64u"] = event_hash(event)
    metadata = {
        "event": event,
        "request_id": f"req-{index}",
        "region": "eu-1",
        "stream": False,
        "tags": ["change"],
        "note": "",
    }
    payload = {
        "receipt_version": "1",
        "receipt_id": f"rcpt-{index}",
        "gateway_id": "gw-1",
        "provider": "anthropic",
        "model": "a-model",
        "request_hash_b64u": event["payload_hash_b64u"],
        "response_hash_b64u": hash_of(b"response %d" % index),
        "tokens_input": 1000 + index % 1000,
        "tokens_output": index % 500,
        "latency_ms": 30 + index % 3000,
        "timestamp": at(call),
        "binding": {
            "run_id": f"run-{run}",
            "event_hash_b64u": event["event_hash_b64u"],
            "token_scope_hash_b64u": hash_of(b"scope %d" % run),
            "policy_hash": hash_of(b"policy"),
            "span_id": f"rcpt-{index}",
        },
        "metadata": metadata,
    }
    missing = size - len(_written(payload))
    metadata["note"] = ("the assistant proposed a change to the configuration; " * 20)[: max(0, missing)]
    text = _written(payload)
    signing, did = _gateway()
    payload_hash = encode_b64u(hashlib.sha256(text).digest())
    signature = encode_b64u(signing.sign(payload_hash.encode()).signature)
    refs = {name: value for name, value in receipt_refs(payload).items() if value is not None}
    return encode_entry("gateway_receipt", payload_hash, refs, signature_b64u=signature, signer_did=did), text


def _written(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
