"""An entry and its payload: what is hashed, what is signed, whose key it is, and where each ref comes from."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from verifier.didkey import parse_did_key
from verifier.ed25519 import is_signature
from verifier.encodings import decode_b64u, hash_b64u
from verifier.entry import Entry, parse_entry, ref_value
from verifier.errors import Refused
from verifier.explain.events import explain_events
from verifier.explain.step import Step, as_b64u, as_hex, shown
from verifier.records.kinds import compute_refs, read_record

_RECEIPT = {
    "receipt": "receipt_id",
    "run": "binding.run_id",
    "token_scope": "binding.token_scope_hash_b64u",
    "policy": "binding.policy_hash",
}
_SHARED = {
    "job": "job_id",
    "run": "run_id",
    "ticket": "ticket",
    "policy": "policy_hash_b64u",
    "plan": "plan_hash_b64u",
    "token_scope": "token_scope_hash_b64u",
}
_SOURCES: Mapping[str, Mapping[str, str]] = {
    "gateway_receipt": _RECEIPT,
    "tool_receipt": _RECEIPT,
    "side_effect_receipt": _RECEIPT,
    "human_approval_receipt": _RECEIPT
    | {"scope": "scope_hash_b64u", "policy": "policy_hash_b64u", "plan": "plan_hash_b64u"},
    "work_policy_contract": {"policy": "SHA-256 of the payload", "target": "supersedes"},
    "roster": {"roster": "number"},
    "token_issued": _SHARED | {"token": "token_hash"},
    "simulation": _SHARED,
    "execution": _SHARED,
    "gate_decision": {
        "job": "scope.job_id",
        "ticket": "scope.ticket",
        "policy": "scope.policy_hash_b64u",
        "plan": "scope.plan_hash_b64u",
        "bundle": "scope.bundle_b64u",
        "scope": "SHA-256 of scope in RFC 8785 form",
        "run": "run_id",
        "token": "token_hash",
        "token_scope": "token_scope_hash_b64u",
    },
    "proof_bundle": {"bundle": "SHA-256 of the payload", "run": "metadata.change.run_id, else that of the first event"},
    "closure": {"job": "job_id", "run": "run_id", "ticket": "ticket", "bundle": "bundle_b64u"},
    "step_up": {"target": "approval_b64u"},
    "resolution": {"target": "begin_b64u"},
    "revocation": {"target": "target"},
    "tombstone": {"target": "payload_b64u"},
    "violation": {"ticket": "ticket", "job": "job_id", "run": "run_id"},
}


def source_of(kind: str, ref: str) -> str:
    """Which member of a payload of this kind a ref repeats."""
    return _SOURCES.get(kind, {}).get(ref, "nothing")


def explain_envelope(entry_bytes: bytes, payload: bytes | None, *, origin: str, where: str = "") -> list[Step]:
    """From the payload's text to the signed 43 characters, the signer's key and the entry's refs.

    `where` says where the payload stands in the input, if it is too long to print.
    """
    try:
        entry = parse_entry(entry_bytes)
    except Refused:
        return [Step("no entry of this project's grammar", note="its bytes are hashed as they are; nothing in them is read")]
    steps = [] if payload is None else [_payload(entry, payload, where)]
    return [*steps, *_signature(entry), *(_refs(entry, payload, origin) if payload is not None else ())]


def _payload(entry: Entry, payload: bytes, where: str) -> Step:
    digest = sha256(payload).digest()
    return Step(
        f"payload hash of the {entry.kind}",
        "SHA-256(payload)",
        (shown("payload", payload, where),),
        (as_hex("payload hash", digest), as_b64u("payload hash", digest)),
        note=f"it is the entry's payload_hash_b64u, {entry.payload_hash_b64u}",
        holds=hash_b64u(payload) == entry.payload_hash_b64u,
    )


def _signature(entry: Entry) -> list[Step]:
    """The DID spells the key; the signature covers the 43 characters and nothing else."""
    try:
        key = parse_did_key(entry.signer_did)
        signature = decode_b64u(entry.signature_b64u, "signature_b64u", length=64)
    except Refused as refused:
        return [Step("the signature cannot be read", note=f"{refused.code}: {refused.detail}", holds=False)]
    message = entry.payload_hash_b64u.encode("ascii")
    return [
        Step(
            "the signer's key, from its DID",
            "base58btc(digits)",
            (shown("DID", entry.signer_did.encode()), shown("digits", entry.signer_did.removeprefix("did:key:z").encode())),
            (as_hex("0xed 0x01 and the public key", b"\xed\x01" + key),),
        ),
        Step(
            "what is signed: the 43 ASCII characters of the payload hash",
            "Ed25519(public key, message, signature)",
            (as_hex("public key", key), shown("message", message), as_hex("signature", signature)),
            note="the signature is valid",
            holds=is_signature(key, message, signature),
        ),
    ]


def _refs(entry: Entry, payload: bytes, origin: str) -> list[Step]:
    """Each ref beside the payload's member that it repeats; long or unusual members are hashed."""
    title = "refs: the payload's own lookup keys"
    try:
        record = read_record(entry.kind, payload, signer_did=entry.signer_did, origin=origin)
        computed = compute_refs(record, entry.payload_hash_b64u)
    except Refused as refused:
        return [Step(title, note=f"cannot be computed again: {refused.code}: {refused.detail}"[:300], holds=False)]
    rows = tuple(shown(f"{name}, from {source_of(entry.kind, name)}", value.encode()) for name, value in computed.items())
    steps = [Step(title, inputs=rows, note="they are the entry's refs", holds=computed == dict(entry.refs))]
    for name, text in _members(record):
        if name in computed and computed[name] == ref_value(text) != text:
            digest = sha256(text.encode("utf-8")).digest()
            steps.append(
                Step(
                    f"the ref {name} is not plain or too long, so it is hashed",
                    "SHA-256(member)",
                    (shown("member", text.encode("utf-8")),),
                    (as_b64u(f"after sha256: in {name}", digest),),
                )
            )
    return [*steps, *explain_events(record)]


def _members(record: object) -> list[tuple[str, str]]:
    """The refs of a record before long ones are hashed."""
    refs = getattr(record, "refs", None)
    return list(refs().items()) if callable(refs) else []
