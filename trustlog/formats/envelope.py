"""The Clawsig signed envelope, version 1: what proxies, agents, people and gates sign.

The signature covers the 43 characters of ``payload_hash_b64u`` and nothing else, and the hash covers the payload's text. So the
text is what matters: it is hashed as it arrived and kept as the bytes that were hashed. Which text that is, is tried in this
order: the bytes as received, the ``JSON.stringify`` form, the RFC 8785 form; the first that has the stated hash is the payload,
and it must itself be one of the two forms.

``issued_at``, ``expires_at``, ``envelope_type`` and ``signer_did`` are not signed. The dates become attachments that nothing reads
after admission; kind and signer are bound by the entry.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.formats.compactjson import decode_compact
from trustlog.formats.didkey import parse_did_key
from trustlog.formats.ed25519 import verify_ed25519
from trustlog.formats.jsontext import accepted_text, canonicalize, describe, parse_json, stringify
from trustlog.formats.timestamp import parse_timestamp
from trustlog.limits import MAX_ATTACHMENT_BYTES, MAX_JSON_DEPTH

REQUIRED: Final = (
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
OPTIONAL: Final = ("expires_at",)
LIFTED: Final = "log_inclusion_proof"

_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Signer(Protocol):
    """A key that signs: its identifier, and Ed25519 over a message."""

    @property
    def did(self) -> str:
        """The ``did:key`` of the public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature of `message`."""
        ...


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A parsed envelope: hash proven, signature not yet checked.

    ``payload_text`` is the exact text whose SHA-256 is ``payload_hash`` (32 bytes; as it is signed, ``payload_hash_b64u``),
    ``payload`` its value.
    ``attachments`` hold what nobody signed: the dates, and a log proof lifted out of a receipt.
    """

    kind: str
    payload_text: bytes
    payload: Any
    payload_hash: bytes
    payload_hash_b64u: str
    signature: bytes
    signer_did: str
    attachments: Mapping[str, Any] = msgspec.field(default_factory=dict)


class _RawPayload(msgspec.Struct):
    payload: msgspec.Raw


def parse_envelope(body: bytes) -> Envelope:
    """The envelope that one JSON text holds.

    Raises :class:`Refused` with ``JSON_…`` (not strict JSON), ``MALFORMED_ENVELOPE`` (members missing, unknown or of the wrong
    type), ``UNKNOWN_…`` (version or algorithms), ``BASE64URL_INVALID``, ``INVALID_DID_FORMAT``, ``HASH_MISMATCH`` (no accepted
    text has the hash) or ``PAYLOAD_TEXT_NOT_ACCEPTED`` (the received text has the hash but is neither form of its value).
    """
    envelope = _parse_plain(body)
    if envelope is not None:
        return envelope
    members = parse_json(body)
    check_members(members)
    raw = bytes(msgspec.json.decode(body, type=_RawPayload).payload)
    return _assemble(members, raw)


def envelope_from_value(members: Any, param: str = "envelope") -> Envelope:
    """An envelope that stands as a value inside another document whose text is known to be exact (a bundle's receipt)."""
    check_members(members, param)
    return _assemble(members, stringify(members["payload"]))


def check_members(members: Any, param: str = "envelope") -> None:
    """Check names, types and constants of an envelope's members; the payload is not looked at."""
    if not isinstance(members, dict):
        raise Refused(
            "MALFORMED_ENVELOPE", "an envelope is an object", param=param, expected="object", found=describe(members)
        )
    _check_shape(members)
    _check_constant(members, "envelope_version", "1", "UNKNOWN_ENVELOPE_VERSION")
    _check_constant(members, "hash_algorithm", "SHA-256", "UNKNOWN_HASH_ALGORITHM")
    _check_constant(members, "algorithm", "Ed25519", "UNKNOWN_ALGORITHM")
    if not _KIND.fullmatch(members["envelope_type"]):
        raise Refused("UNKNOWN_ENVELOPE_TYPE", "not an envelope type", param="envelope_type", found=members["envelope_type"])
    for name in ("issued_at", "expires_at"):
        if name in members:
            parse_timestamp(members[name], name, code="MALFORMED_ENVELOPE")


def check_signature(payload_hash_b64u: str, signature: bytes, signer_did: str) -> None:
    """Check Ed25519 over the 43 characters, by libsodium's strict rule (``SIGNATURE_INVALID``).

    libsodium refuses small-order keys and points, and scalars that are not reduced.
    """
    key = parse_did_key(signer_did)
    if not verify_ed25519(key, payload_hash_b64u.encode("ascii"), signature):
        raise Refused(
            "SIGNATURE_INVALID",
            "the signature does not verify under the signer's key",
            param="signature_b64u",
            expected="Ed25519 over the 43 characters of payload_hash_b64u",
            found=f"a signature that {signer_did} did not make over {payload_hash_b64u}",
        )


def seal_envelope(kind: str, payload: Mapping[str, Any], signer: Signer, issued_at: str) -> bytes:
    """A signed envelope around the RFC 8785 form of `payload`, itself in RFC 8785 form."""
    return seal_text(kind, canonicalize(dict(payload)), signer, issued_at)


def seal_text(kind: str, payload_text: bytes, signer: Signer, issued_at: str) -> bytes:
    """A signed envelope around exactly this payload text (which must be one of its two forms)."""
    payload_hash = encode_b64u(hashlib.sha256(payload_text).digest())
    signature = encode_b64u(signer.sign(payload_hash.encode("ascii")))
    return (
        b'{"algorithm":"Ed25519","envelope_type":' + canonicalize(kind) + b',"envelope_version":"1","hash_algorithm":"SHA-256",'
        b'"issued_at":' + canonicalize(issued_at) + b',"payload":' + payload_text + b',"payload_hash_b64u":"'
        + payload_hash.encode("ascii") + b'","signature_b64u":"' + signature.encode("ascii")
        + b'","signer_did":' + canonicalize(signer.did) + b"}"
    )  # fmt: skip


def _check_shape(members: Mapping[str, Any]) -> None:
    for name in REQUIRED:
        if name not in members:
            raise Refused("MALFORMED_ENVELOPE", f"the member {name} is missing", param=name, expected=name, found="absent")
    for name in members:
        if name not in REQUIRED and name not in OPTIONAL:
            raise Refused(
                "MALFORMED_ENVELOPE", "an unknown member", param=name, expected=", ".join(REQUIRED + OPTIONAL), found=name
            )
        if name != "payload" and not isinstance(members[name], str):
            raise Refused(
                "MALFORMED_ENVELOPE", f"{name} is not a string", param=name, expected="string", found=describe(members[name])
            )
    if not isinstance(members["payload"], dict):
        found = describe(members["payload"])
        raise Refused("MALFORMED_ENVELOPE", "payload is not an object", param="payload", expected="object", found=found)


def _assemble(members: Mapping[str, Any], raw: bytes) -> Envelope:
    payload_hash = decode_b64u(members["payload_hash_b64u"], 32, "payload_hash_b64u")
    signature = decode_b64u(members["signature_b64u"], 64, "signature_b64u")
    parse_did_key(members["signer_did"])
    attachments = {name: members[name] for name in ("issued_at", "expires_at") if name in members}
    text, value, lifted = _find_payload(raw, members["payload"], payload_hash, members["envelope_type"])
    if lifted is not None:
        attachments[LIFTED] = lifted
    return Envelope(
        kind=members["envelope_type"],
        payload_text=text,
        payload=value,
        payload_hash=payload_hash,
        payload_hash_b64u=members["payload_hash_b64u"],
        signature=signature,
        signer_did=members["signer_did"],
        attachments=attachments,
    )


def _find_payload(raw: bytes, value: Any, payload_hash: bytes, kind: str) -> tuple[bytes, Any, Any]:
    """The payload's text and value, and what was lifted out of it to make the hash match."""
    if hashlib.sha256(raw).digest() == payload_hash:
        if decode_compact(raw) is UNSET and not accepted_text(raw, value):
            raise Refused(
                "PAYLOAD_TEXT_NOT_ACCEPTED",
                "the payload's text has the stated hash, but is neither the JSON.stringify nor the RFC 8785 form of its value",
                param="payload",
                expected="the JSON.stringify form or the RFC 8785 form",
                found=raw[:80].decode("utf-8", "replace"),
            )
        return raw, value, None
    for candidate, lifted in _candidates(value, kind):
        for form in (stringify, canonicalize):
            text = form(candidate)
            if hashlib.sha256(text).digest() == payload_hash:
                return text, parse_json(text, "payload"), lifted  # 1.0 has become 1
    raise Refused(
        "HASH_MISMATCH",
        "no accepted text of the payload has the stated hash",
        param="payload_hash_b64u",
        expected=encode_b64u(hashlib.sha256(canonicalize(value)).digest()) + " (RFC 8785 form)",
        found=encode_b64u(payload_hash),
    )


def _candidates(value: Any, kind: str) -> list[tuple[Any, Any]]:
    """The value itself, and, for a receipt to which a proxy added a log proof after signing, the value without it."""
    candidates: list[tuple[Any, Any]] = [(value, None)]
    metadata = value.get("metadata")
    if kind == "gateway_receipt" and isinstance(metadata, dict) and LIFTED in metadata:
        lifted = metadata[LIFTED]
        if len(canonicalize(lifted)) <= MAX_ATTACHMENT_BYTES:
            rest = {name: member for name, member in metadata.items() if name != LIFTED}
            candidates.append(({**value, "metadata": rest}, lifted))
            if not rest:
                candidates.append(({name: member for name, member in value.items() if name != "metadata"}, lifted))
    return candidates


def _check_constant(members: Mapping[str, Any], name: str, expected: str, code: str) -> None:
    if members[name] != expected:
        raise Refused(code, f"{name} is not known", param=name, expected=expected, found=members[name])


# The fast way: what almost every envelope in the field is. It never refuses; parse_envelope goes on where it gives up.


class _PlainEnvelope(msgspec.Struct, forbid_unknown_fields=True):
    envelope_version: Literal["1"]
    envelope_type: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")]
    payload: msgspec.Raw
    payload_hash_b64u: str
    hash_algorithm: Literal["SHA-256"]
    signature_b64u: str
    algorithm: Literal["Ed25519"]
    signer_did: str
    issued_at: str
    expires_at: str | UnsetType = UNSET


_PLAIN: Final = msgspec.json.Decoder(_PlainEnvelope)
_PLAIN_BYTES: Final = len(
    b'{"envelope_version":"1","envelope_type":"","payload":,"payload_hash_b64u":"' + b"h" * 43 + b'",'
    b'"hash_algorithm":"SHA-256","signature_b64u":"' + b"s" * 86 + b'","algorithm":"Ed25519","signer_did":"","issued_at":""}'
)  # of an envelope around what varies in length
_EXPIRES_BYTES: Final = len(b',"expires_at":""')


def _parse_plain(body: bytes) -> Envelope | None:
    """The envelope, if `body` is written without blanks, escapes or repeated names around a compact payload of its hash.

    The decoder lets a repeated name pass. But the members that it found, all ASCII but the payload as the checks here make sure,
    cannot be written once each in fewer bytes than are counted, nor in as many if anything else stands between or beside them.
    """
    try:
        plain = _PLAIN.decode(body)
        raw = bytes(plain.payload)
        digest = hashlib.sha256(raw).digest()
        if encode_b64u(digest) != plain.payload_hash_b64u:
            return None
        signature = decode_b64u(plain.signature_b64u, 64, "signature_b64u")
        parse_did_key(plain.signer_did)
        parse_timestamp(plain.issued_at, "issued_at")
        attachments = {"issued_at": plain.issued_at}
        size = _PLAIN_BYTES + len(plain.envelope_type) + len(raw) + len(plain.signer_did) + len(plain.issued_at)
        if plain.expires_at is not UNSET:
            parse_timestamp(plain.expires_at, "expires_at")
            attachments["expires_at"] = plain.expires_at
            size += _EXPIRES_BYTES + len(plain.expires_at)
    except (ValueError, RecursionError, Refused):  # msgspec's errors are ValueErrors
        return None
    if len(body) != size or not raw.startswith(b"{"):
        return None
    payload = decode_compact(raw, levels=MAX_JSON_DEPTH - 1)  # the envelope is one
    if payload is UNSET:
        return None
    return Envelope(
        plain.envelope_type, raw, payload, digest, plain.payload_hash_b64u, signature, plain.signer_did, attachments
    )
