"""Clawsig signed envelopes as they stand inside a proof bundle.

The payload's own text is not in the bundle, only its value: it is its JSON.stringify form or its RFC 8785
form, whichever has the stated hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from verifier import schema as s
from verifier.encodings import hash_b64u
from verifier.entry import check_envelope_signature
from verifier.errors import Refused
from verifier.jsontext import canonicalize, stringify

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


@dataclass(frozen=True, slots=True)
class SealedReceipt:
    """A verified envelope: signer, kind, payload hash, and the payload's members."""

    signer_did: str
    kind: str
    payload_hash_b64u: str
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
        ("envelope_type", kind, "UNKNOWN_ENVELOPE_TYPE"),
        ("hash_algorithm", "SHA-256", "UNKNOWN_HASH_ALGORITHM"),
        ("algorithm", "Ed25519", "UNKNOWN_ALGORITHM"),
    ):
        if members[name] != known:
            raise Refused(code, f"{where}.{name}", expected=known)
    payload = members["payload"]
    if not isinstance(payload, dict):
        raise Refused("MALFORMED_ENVELOPE", f"{where}.payload", expected="an object")
    stated = str(members["payload_hash_b64u"])
    if stated not in (hash_b64u(stringify(payload)), hash_b64u(canonicalize(payload, where))):
        raise Refused("HASH_MISMATCH", f"{where}.payload_hash_b64u", expected=hash_b64u(stringify(payload)))
    signer = str(members["signer_did"])
    check_envelope_signature(stated, str(members["signature_b64u"]), signer)
    cosignatures = members.get("co_signatures", [])
    _check_cosignatures(cosignatures, stated, where)
    return SealedReceipt(signer, kind, stated, payload, bool(cosignatures))


def _members(value: object, where: str, also: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Refused("MALFORMED_ENVELOPE", where, expected="an object")
    missing = [name for name in _REQUIRED if name not in value]
    unknown = [name for name in value if name not in (*_REQUIRED, "expires_at", *also)]
    if missing or unknown:
        raise Refused("MALFORMED_ENVELOPE", where, expected="the nine members", found=(missing + unknown)[0][:64])
    for name in _REQUIRED:
        if name != "payload" and not isinstance(value[name], str):
            raise Refused("MALFORMED_ENVELOPE", f"{where}.{name}", expected="a string")
    for name in ("issued_at", "expires_at"):
        if name in value:
            s.any_time(value[name], f"{where}.{name}")
    return value


_COSIGNATURE = frozenset({"signature_b64u", "algorithm", "signer_did", "issued_at", "role"})


def _check_cosignatures(items: object, payload_hash_b64u: str, where: str) -> None:
    if not isinstance(items, list) or len(items) > 16:
        raise Refused("CO_SIGNATURE_INVALID", where, expected="at most 16 co-signatures")
    for item in items:
        if not isinstance(item, dict) or set(item) != _COSIGNATURE or item["algorithm"] != "Ed25519":
            raise Refused("CO_SIGNATURE_INVALID", where, expected="the five members of a co-signature")
        try:
            check_envelope_signature(payload_hash_b64u, str(item["signature_b64u"]), str(item["signer_did"]))
        except Refused:
            raise Refused("CO_SIGNATURE_INVALID", where, expected="a valid co-signature") from None
