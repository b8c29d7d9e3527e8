"""The Clawsig conformance vectors: which proof bundles may be read, and why the others may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.verifier.vectors import CLAW, load, needs_claw
from verifier import schema as s
from verifier.errors import Refused
from verifier.jsontext import parse_json
from verifier.records.bundle import ProofBundle, check_bundle
from verifier.records.envelope import open_envelope

FIXTURES = CLAW / "fixtures/conformance"

# These were changed after they were hashed: the envelope is refused before its schema is looked at.
CHANGED_AFTER_HASHING = {
    "proof_bundle.fail.tool_receipt_missing_field",
    "proof_bundle.fail.tool_receipt_bad_version",
    "proof_bundle.fail.side_effect_missing_field",
    "proof_bundle.fail.side_effect_bad_class",
    "proof_bundle.fail.human_approval_bad_type",
    "proof_bundle.fail.empty_event_chain",
}

# These are spelt as nothing can be: they are refused before their hash is looked at.
STRICTER = {
    "proof_bundle.pass.mixed_receipts": "BASE64URL_INVALID",  # the hash has non-zero trailing bits
    "proof_bundle.fail.wrong_signer_did": "INVALID_DID_FORMAT",  # the signer is no did:key
}


def vectors() -> list[dict[str, Any]]:
    if not FIXTURES.is_dir():
        return []
    manifest = load(FIXTURES / "manifest.v1.json")
    return [vector for vector in manifest["vectors"] if vector["kind"] == "proof_bundle"]


def find(vector: dict[str, Any]) -> Path:
    return next(FIXTURES.rglob(Path(vector["path"]).name))


def read(path: Path) -> None:
    envelope = parse_json(path.read_bytes())
    sealed = open_envelope(envelope, "envelope", kind="proof_bundle")
    check_bundle(s.decode(ProofBundle, sealed.payload, "payload"), sealed.signer_did)


@needs_claw
def test_the_manifest_was_found() -> None:
    assert len(vectors()) >= 20


@needs_claw
@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_proof_bundle(vector: dict[str, Any]) -> None:
    if vector["expected"]["valid"]:
        read(find(vector))
        return
    with pytest.raises(Refused) as caught:
        read(find(vector))
    expected = {STRICTER[vector["name"]]} if vector["name"] in STRICTER else set(vector["expected"]["reason_code"])
    if vector["name"] not in CHANGED_AFTER_HASHING:
        assert caught.value.code in expected
        return
    assert caught.value.code == "HASH_MISMATCH"
    payload = load(find(vector))["payload"]
    with pytest.raises(Refused) as caught:
        check_bundle(s.decode(ProofBundle, payload, "payload"), payload["agent_did"])
    assert caught.value.code in expected
