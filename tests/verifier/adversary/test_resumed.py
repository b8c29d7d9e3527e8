"""A log that lies to a reader who will be interrupted, and tells the truth when reading goes on."""

from __future__ import annotations

import pytest

from tests.verifier.adversary.auditor import Auditor
from tests.verifier.changebuilder import ORIGIN, ROLE_KEYS, Payload, receipt_refs
from tests.verifier.logbuilder import LogBuilder, add_payload, hash_of, sha

SIZE = 256 * 3


def receipt(number: int) -> Payload:
    return {
        "receipt_version": "1",
        "receipt_id": f"rcpt-{number}",
        "gateway_id": "gw-1",
        "provider": "anthropic",
        "model": "a-model",
        "request_hash_b64u": hash_of(b"request"),
        "response_hash_b64u": hash_of(b"response"),
        "tokens_input": 10,
        "tokens_output": 20,
        "latency_ms": 30,
        "timestamp": "2026-03-01T10:00:00Z",
    }


def forged_log(at: int) -> LogBuilder:
    """A log of receipts, one of which its gateway never signed."""
    log, gateway = LogBuilder(ORIGIN), ROLE_KEYS["gateways"]
    for number in range(SIZE):
        payload = receipt(number)
        refs = {name: value for name, value in receipt_refs(payload).items() if value is not None}
        log.add("gateway_receipt", payload, refs=refs, signer=gateway, signature=bytes(64) if number == at else None)
    return log


@pytest.mark.parametrize("at", [0, 255, 256])
def test_a_forged_signature_behind_a_payload_that_is_wrong_until_the_reader_is_interrupted(
    auditor: Auditor, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """What came with another payload was not read, its signature neither: reading on must not count it as checked."""
    monkeypatch.setattr("verifier.scan._DEEP_BUNDLES", 1)
    log = forged_log(at)
    auditor.serve(log)
    options = ("--deep", "--resume", str(auditor.folder / "progress"), "--workers", "1")
    forged = log.items[at].payload or b""
    name = sha(forged).hex()
    (auditor.served / "payloads" / name[:2] / name).write_bytes(b"something else")
    withheld = auditor.served / "tile/entries/002"
    bundle = withheld.read_bytes()
    withheld.unlink()
    assert auditor.log(*options) == (3, "NOT_FOUND")
    add_payload(auditor.served, forged)
    withheld.write_bytes(bundle)
    assert auditor.log(*options) == (1, "SIGNATURE_INVALID")
