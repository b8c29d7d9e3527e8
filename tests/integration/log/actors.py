"""Who submits to a log under test: throw-away keys, and the envelopes that they sign."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.envelope import seal_envelope
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.keys.signer import SeedSigner
from trustlog.log.directory import LogDirectory, init_directory

ORIGIN = "log.example.org/test"


def make_signer(name: str) -> SeedSigner:
    """The same name gives the same key."""
    return SeedSigner(hashlib.sha256(b"trustlog test key " + name.encode()).digest())


@dataclass(frozen=True)
class Actors:
    gateway: SeedSigner = field(default_factory=lambda: make_signer("gateway"))
    issuer: SeedSigner = field(default_factory=lambda: make_signer("token issuer"))
    authority: SeedSigner = field(default_factory=lambda: make_signer("roster authority"))
    policy_issuer: SeedSigner = field(default_factory=lambda: make_signer("policy issuer"))
    custodian: SeedSigner = field(default_factory=lambda: make_signer("custodian"))
    agent: SeedSigner = field(default_factory=lambda: make_signer("agent"))
    person: SeedSigner = field(default_factory=lambda: make_signer("person"))
    stranger: SeedSigner = field(default_factory=lambda: make_signer("stranger"))


ACTORS = Actors()


def make_log_directory(path: Path, *, config: str = "") -> LogDirectory:
    """A new log that trusts the actors in their roles."""
    init_directory(path, ORIGIN)
    directory = LogDirectory(path)
    roles = {
        "gateways": ACTORS.gateway,
        "token_issuers": ACTORS.issuer,
        "roster_authorities": ACTORS.authority,
        "policy_issuers": ACTORS.policy_issuer,
        "custodians": ACTORS.custodian,
        "agents": ACTORS.agent,
    }
    text = directory.trust_path.read_text()
    for role, signer in roles.items():
        text = re.sub(rf"^{role} = \[\]$", f'{role} = ["{signer.did}"]', text, flags=re.MULTILINE)
    directory.trust_path.write_text(text)
    if config:
        directory.config_path.write_text(f'origin = "{ORIGIN}"\n{config}')
    return directory


def hash_b64u(text: str) -> str:
    return encode_b64u(hashlib.sha256(text.encode()).digest())


def now(offset_s: float = 0) -> str:
    return format_timestamp(time.time_ns() + int(offset_s * NS))


def receipt_payload(receipt_id: str, **changes: Any) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "receipt_version": "1",
        "receipt_id": receipt_id,
        "gateway_id": "gw-test",
        "provider": "example",
        "model": "model-1",
        "request_hash_b64u": hash_b64u("request " + receipt_id),
        "response_hash_b64u": hash_b64u("response " + receipt_id),
        "tokens_input": 10,
        "tokens_output": 20,
        "latency_ms": 30,
        "timestamp": "2026-02-18T00:00:00.000Z",
        "binding": {"run_id": "run-1", "event_hash_b64u": hash_b64u("event " + receipt_id)},
    }
    return {name: value for name, value in {**payload, **changes}.items() if value is not None}


def receipt(receipt_id: str, *, signer: SeedSigner = ACTORS.gateway, **changes: Any) -> bytes:
    """A gateway receipt in its envelope."""
    return seal_envelope("gateway_receipt", receipt_payload(receipt_id, **changes), signer, now())


def own_record(
    kind: str, signer: SeedSigner, *, issued_at: str | None = None, origin: str = ORIGIN, **members: Any
) -> bytes:
    """One of our own records, header included."""
    salt = encode_b64u(hashlib.sha256(json.dumps(members, sort_keys=True).encode()).digest()[:16])
    header = {"record": f"trustlog/{kind}/v1", "origin": origin, "issued_at": issued_at or now(), "salt": salt}
    return seal_envelope(kind, {**header, **members}, signer, now())


def edit(envelope: bytes, **members: Any) -> bytes:
    """The envelope with other members; None removes one."""
    document = json.loads(envelope)
    document.update(members)
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()
