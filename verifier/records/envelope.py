"""Clawsig signed envelopes as they stand inside a proof bundle.

The payload's own text is not in the bundle, only its value: it is its JSON.stringify form or its RFC 8785
form, whichever has the stated hash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from verifier import schema as s
from verifier.didkey import parse_did_key
from verifier.encodings import decode_b64u, hash_b64u
from verifier.entry import check_envelope_signature, check_signature
from verifier.errors import Refused
from verifier.jsonforms import canonicalize, dump, stringify
from verifier.limits import MAX_METADATA_BYTES
from verifier.records.receipts import is_gateway_receipt

_LIFTED = "log_inclusion_proof"
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_REQUIRED = (
    "envelope_version",
    "envelope_type",
    "payload",
    "payload_hash_b64u",
    "hash_algorithm",
    "signature_b64u",
    "algorithm",
    "signer_did",
    "issued_at",
)
_ALL_REQUIRED = frozenset(_REQUIRED)
_KNOWN = frozenset((*_REQUIRED, "expires_at"))


@dataclass(frozen=True, slots=True)
class SealedReceipt:
    """A verified envelope: signer, kind, payload hash, the payload's text that has this hash, and its members."""

    signer_did: str
    kind: str
    payload_hash_b64u: str
    text: bytes
    payload: Mapping[str, object]
    has_cosignatures: bool = False


def open_envelope(value: object, where: str, *, kind: str, version: str = "1") -> SealedReceipt:
    """Check an envelope's members, payload hash and signature.

    Raises Refused MALFORMED_ENVELOPE, UNKNOWN_ENVELOPE_VERSION, UNKNOWN_ENVELOPE_TYPE, UNKNOWN_HASH_ALGORITHM,
    UNKNOWN_ALGORITHM, HASH_MISMATCH, INVALID_DID_FORMAT, BASE64URL_INVALID or SIGNATURE_INVALID.
    """
    members = _members(value, where, ("co_signatures",) if version == "2" else ())
    for name, known, code in (
        ("envelope_version", version, "UNKNOWN_ENVELOPE_VERSION"),
        ("hash_algorithm", "SHA-256", "UNKNOWN_HASH_ALGORITHM"),
        ("algorithm", "Ed25519", "UNKNOWN_ALGORITHM"),
    ):
        if members[name] != known:
            raise Refused(code, f"{where}.{name}", expected=known)
    payload = members["payload"]
    if not isinstance(payload, dict):
        raise Refused("MALFORMED_ENVELOPE", f"{where}.payload", expected="an object")
    if not _TYPE.fullmatch(str(members["envelope_type"])):
        raise Refused("UNKNOWN_ENVELOPE_TYPE", f"{where}.envelope_type", expected=kind)
    stated, signer = str(members["payload_hash_b64u"]), str(members["signer_did"])
    decode_b64u(stated, f"{where}.payload_hash_b64u", length=32)
    signature = decode_b64u(str(members["signature_b64u"]), f"{where}.signature_b64u", length=64)
    parse_did_key(signer)
    text, payload = _signed_payload(payload, stated, where, kind=str(members["envelope_type"]))
    if members["envelope_type"] != kind:
        raise Refused("SCHEMA_VALIDATION_FAILED", f"{where}.envelope_type", expected=kind)
    check_signature(stated.encode("ascii"), signature, signer)
    cosignatures = members.get("co_signatures", [])
    _check_cosignatures(cosignatures, stated, where)
    return SealedReceipt(signer, kind, stated, text, payload, bool(cosignatures))


def _members(value: object, where: str, also: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Refused("MALFORMED_ENVELOPE", where, expected="an object")
    if not value.keys() >= _ALL_REQUIRED or not value.keys() <= _KNOWN.union(also):
        missing = [name for name in _REQUIRED if name not in value]
        unknown = [name for name in value if name not in _KNOWN and name not in also]
        raise Refused("MALFORMED_ENVELOPE", where, expected="the nine members", found=(missing + unknown)[0][:64])
    for name in _REQUIRED:
        if name != "payload" and not isinstance(value[name], str):
            raise Refused("MALFORMED_ENVELOPE", f"{where}.{name}", expected="a string")
    for name in ("issued_at", "expires_at"):
        if name in value:
            _check_date(value[name], f"{where}.{name}")
    return value


def _check_date(value: object, where: str) -> None:
    try:
        s.any_time(value, where)
    except Refused as refused:
        raise Refused("MALFORMED_ENVELOPE", where, expected=refused.expected) from None


def _signed_payload(payload: dict[str, object], stated: str, where: str, *, kind: str) -> tuple[bytes, dict[str, object]]:
    """The JSON.stringify or RFC 8785 form that has the stated hash, and its payload. Raises Refused HASH_MISMATCH.

    The reference proxy adds `metadata.log_inclusion_proof` to a gateway receipt after signing; a receipt whose hash
    matches once that member is lifted out (and an empty `metadata` with it, if need be) is read without it.
    """
    if kind == "gateway_receipt":
        # The fast path: what the log's receipts are read with remembers them, and accepts no other text than the long way.
        text = dump(payload)
        if stated == hash_b64u(text) and is_gateway_receipt(text):
            return text, payload
    candidates = [payload]
    metadata = payload.get("metadata")
    added = metadata.get(_LIFTED, ...) if kind == "gateway_receipt" and isinstance(metadata, dict) else ...
    if isinstance(metadata, dict) and added is not ... and len(canonicalize(added, where)) <= MAX_METADATA_BYTES:
        rest = {name: value for name, value in metadata.items() if name != _LIFTED}
        candidates.append({**payload, "metadata": rest})
        if not rest:
            candidates.append({name: value for name, value in payload.items() if name != "metadata"})
    for candidate in candidates:
        text = stringify(candidate)
        if stated != hash_b64u(text):
            text = canonicalize(candidate, where)
        if stated == hash_b64u(text):
            return text, candidate
    raise Refused("HASH_MISMATCH", f"{where}.payload_hash_b64u", expected=hash_b64u(stringify(payload)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CoSignature:
    """A further signature over the payload hash; it gives its signer no role."""

    signature_b64u: str = s.member(s.loose_hash)
    algorithm: str = s.member(s.one_of("Ed25519"))
    signer_did: str = s.member(s.did_key)
    issued_at: int = s.member(s.any_time)
    role: str = s.member(s.one_of("proxy", "approver", "auditor", "supervisor"))


_co_signatures = s.list_of(s.object_of(CoSignature), maximum=16)


def _check_cosignatures(items: object, payload_hash_b64u: str, where: str) -> None:
    for position, item in enumerate(_co_signatures(items, f"{where}.co_signatures")):
        try:
            check_envelope_signature(payload_hash_b64u, item.signature_b64u, item.signer_did)
        except Refused as refused:
            code = "CO_SIGNATURE_INVALID" if refused.code == "SIGNATURE_INVALID" else refused.code
            raise Refused(code, f"{where}.co_signatures[{position}]", expected="a valid co-signature") from None
