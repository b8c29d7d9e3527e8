"""Proof bundles made for tests: throw-away keys, a chain of events, receipts bound to them, each part replaceable."""

from __future__ import annotations

import hashlib
from typing import Any

from nacl.signing import SigningKey

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.didkey import encode_did_key
from trustlog.formats.envelope import parse_envelope, seal_envelope
from trustlog.formats.jsontext import canonicalize, parse_json
from trustlog.records.candidate import Candidate, read_candidate
from trustlog.records.event_chain import compute_event_hash

TIME = "2026-02-12T00:00:00Z"
RUN = "run-1"
HASH = encode_b64u(hashlib.sha256(b"something").digest())


class Key:
    """A signer from a number."""

    def __init__(self, number: int) -> None:
        self._key = SigningKey(bytes([number]) * 32)
        self.did = encode_did_key(bytes(self._key.verify_key))

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message).signature


AGENT, GATEWAY, OTHER = Key(1), Key(2), Key(3)


def events(count: int = 3, **changes: Any) -> list[dict[str, Any]]:
    """A good chain; `changes` replace members of the last event before it is hashed."""
    chain: list[dict[str, Any]] = []
    for i in range(count):
        header: dict[str, Any] = {
            "event_id": f"event-{i}",
            "run_id": RUN,
            "event_type": "llm_call",
            "timestamp": f"2026-02-12T00:00:0{i}Z",
            "payload_hash_b64u": HASH,
            "prev_hash_b64u": chain[-1]["event_hash_b64u"] if chain else None,
        }
        header |= changes if i == count - 1 else {}
        chain.append(header | {"event_hash_b64u": compute_event_hash(**header)})
    return chain


def gateway_payload(event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "receipt_version": "1",
        "receipt_id": f"receipt-of-{event['event_id']}",
        "gateway_id": "gw",
        "provider": "p",
        "model": "m",
        "request_hash_b64u": HASH,
        "response_hash_b64u": HASH,
        "tokens_input": 1,
        "tokens_output": 2,
        "latency_ms": 3,
        "timestamp": event["timestamp"],
        "binding": {"run_id": event["run_id"], "event_hash_b64u": event["event_hash_b64u"]},
    } | changes


def tool_payload(event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "receipt_version": "1",
        "receipt_id": "tool-1",
        "tool_name": "search",
        "args_hash_b64u": HASH,
        "result_hash_b64u": HASH,
        "hash_algorithm": "SHA-256",
        "agent_did": AGENT.did,
        "timestamp": TIME,
        "latency_ms": 3,
        "binding": {"run_id": RUN, "event_hash_b64u": event["event_hash_b64u"]},
    } | changes


def sealed(kind: str, payload: dict[str, Any], key: Key = GATEWAY) -> dict[str, Any]:
    """A signed envelope as a value."""
    value = parse_json(seal_envelope(kind, payload, key, TIME))
    assert isinstance(value, dict)
    return value


def bundle(**changes: Any) -> dict[str, Any]:
    """A good bundle's payload; a change to None takes the member out."""
    chain = events()
    payload: dict[str, Any] = {
        "bundle_version": "1",
        "bundle_id": "bundle-1",
        "agent_did": AGENT.did,
        "event_chain": chain,
        "receipts": [sealed("gateway_receipt", gateway_payload(event)) for event in chain],
        "metadata": {"change": {"run_id": RUN}},
    }
    return {name: value for name, value in (payload | changes).items() if value is not None}


def read(payload: dict[str, Any], key: Key = AGENT) -> Candidate:
    """What the log makes of the bundle, signed by `key`."""
    return read_candidate(parse_envelope(seal_envelope("proof_bundle", payload, key, TIME)), origin="log.example")


def disclosure(leaves: dict[str, tuple[str, Any]], hidden: list[str]) -> dict[str, Any]:
    """A selective disclosure whose root is right, straight from the reference verifier's rule."""
    disclosed = {p: {"type": t, "value": v, "salt_b64u": "saltsalt"} for p, (t, v) in leaves.items()}
    hashes = [
        encode_b64u(hashlib.sha256(path.encode() + b":" + canonicalize(leaf)).digest()) for path, leaf in disclosed.items()
    ]
    return {
        "disclosure_algorithm": "vir_v2_typed_lexicographical",
        "merkle_root_b64u": encode_b64u(hashlib.sha256(canonicalize(sorted([*hashes, *hidden]))).digest()),
        "redacted_leaf_hashes_b64u": hidden,
        "disclosed_leaves": disclosed,
    }
