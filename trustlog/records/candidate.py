"""A candidate: one signed payload that passed every rule needing neither history nor clock.

The log makes candidates from envelopes at admission, readers make them from entries and payloads; both go through the same
rules, so a reader relies on nothing that the log did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.compactjson import decode_compact
from trustlog.formats.entry import Entry, parse_entry
from trustlog.formats.envelope import Envelope, check_signature
from trustlog.formats.jsontext import accepted_text, parse_json
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.limits import (
    MAX_BUNDLE_ENVELOPE_BYTES,
    MAX_ENTRY_BYTES,
    MAX_ENVELOPE_BYTES,
    MAX_SKEW_AHEAD_S,
    MAX_SKEW_BEHIND_S,
)
from trustlog.records.kind import Claim, Kind, compute_refs, identity_key
from trustlog.records.kinds import get_kind, read_record


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """What one envelope or one logged entry says.

    ``record`` is the kind's record object; ``payload_hash`` and ``identity`` are 32 bytes, ``signature`` 64. ``attachments``
    are unauthenticated: the envelope's dates, a lifted log proof; readers have none.
    """

    kind: Kind
    signer_did: str
    payload_hash: bytes
    payload_hash_b64u: str
    payload_text: bytes
    signature: bytes
    record: Any
    refs: Mapping[str, str]
    entry: Entry
    entry_bytes: bytes
    identity: bytes
    claims: tuple[Claim, ...]
    attachments: Mapping[str, Any] = msgspec.field(default_factory=dict)


def read_candidate(envelope: Envelope, *, origin: str) -> Candidate:
    """The candidate that a parsed envelope is, its signature checked; `origin` is the log's.

    Raises :class:`Refused` with the code of the first rule it breaks.
    """
    kind = get_kind(envelope.kind)
    payload_hash = envelope.payload_hash_b64u
    check_signature(payload_hash, envelope.signature, envelope.signer_did)  # before what costs more
    _check_size(kind, envelope.payload_text)
    record = read_record(kind, envelope.payload, envelope.payload_text, origin=origin, signer_did=envelope.signer_did)
    refs = compute_refs(kind, record, payload_hash)
    entry = Entry(kind.name, envelope.payload_hash, refs, envelope.signature, envelope.signer_did)
    entry_bytes = entry.encode_around(payload_hash)
    if len(entry_bytes) > MAX_ENTRY_BYTES:  # a decision whose scope has long texts where hashes belong
        raise Refused(
            "ENTRY_MALFORMED",
            "the payload's lookup keys make the entry too large",
            param="payload",
            expected=f"an entry of at most {MAX_ENTRY_BYTES} bytes",
            found=f"{len(entry_bytes)} bytes",
        )
    return _candidate(
        kind,
        entry,
        entry_bytes,
        payload_hash,
        payload_text=envelope.payload_text,
        record=record,
        attachments=envelope.attachments,
    )


def read_logged(entry_bytes: bytes, payload_text: bytes, *, origin: str) -> Candidate:
    """The candidate that a logged entry and its payload are; everything is checked again.

    Raises :class:`Refused`: ``ENTRY_MALFORMED``, ``HASH_MISMATCH`` (the payload is another), ``BODY_TOO_LARGE``,
    ``PAYLOAD_TEXT_NOT_ACCEPTED``, ``ENTRY_REFS_MISMATCH``, or what :func:`read_candidate` raises.
    """
    entry = parse_entry(entry_bytes)
    found = hashlib.sha256(payload_text).digest()
    if found != entry.payload_hash:
        detail = "the payload is not the one that the entry names"
        expected = encode_b64u(entry.payload_hash)
        raise Refused("HASH_MISMATCH", detail, param="payload", expected=expected, found=encode_b64u(found))
    kind = get_kind(entry.kind)
    _check_size(kind, payload_text)
    value = decode_compact(payload_text)
    if value is UNSET:
        value = parse_json(payload_text, "payload")
        if not accepted_text(payload_text, value):
            raise Refused("PAYLOAD_TEXT_NOT_ACCEPTED", "the payload's text is neither of its two forms", param="payload")
    payload_hash = encode_b64u(entry.payload_hash)
    check_signature(payload_hash, entry.signature, entry.signer_did)
    record = read_record(kind, value, payload_text, origin=origin, signer_did=entry.signer_did)
    refs = compute_refs(kind, record, payload_hash)
    if refs != entry.refs:
        detail = "the entry's refs are not those of its payload"
        raise Refused("ENTRY_REFS_MISMATCH", detail, param="entry.refs", expected=refs, found=dict(entry.refs))
    return _candidate(kind, entry, entry_bytes, payload_hash, payload_text=payload_text, record=record, attachments={})


def _check_size(kind: Kind, text: bytes) -> None:
    """The payload's own text is bounded like its envelope: the form that was signed may be longer than what was sent."""
    bound = MAX_BUNDLE_ENVELOPE_BYTES if kind.name == "proof_bundle" else MAX_ENVELOPE_BYTES
    if len(text) > bound:
        found = f"{len(text)} bytes"
        detail = "the payload's text is too large"
        raise Refused("BODY_TOO_LARGE", detail, param="payload", expected=f"at most {bound} bytes", found=found)


def check_skew(candidate: Candidate, now_ns: int) -> None:
    """Check the payload's signed time against the log's clock (``CLOCK_SKEW``): admission only, never a rule of reading."""
    signed_at = candidate.kind.signed_at(candidate.record)
    if signed_at is None:
        return
    ahead_s = (signed_at.ns - now_ns) / NS
    bounded_behind = candidate.kind.own or candidate.kind.name == "human_approval_receipt"
    if ahead_s > MAX_SKEW_AHEAD_S or (bounded_behind and -ahead_s > MAX_SKEW_BEHIND_S):
        earliest = format_timestamp(now_ns - MAX_SKEW_BEHIND_S * NS) if bounded_behind else "any time before"
        raise Refused(
            "CLOCK_SKEW",
            "the signed time is too far from the log's clock",
            param="payload.issued_at" if candidate.kind.own else "payload.timestamp",
            expected=f"between {earliest} and {format_timestamp(now_ns + MAX_SKEW_AHEAD_S * NS)}",
            found=signed_at.text,
        )


def _candidate(
    kind: Kind,
    entry: Entry,
    entry_bytes: bytes,
    payload_hash: str,
    *,
    payload_text: bytes,
    record: Any,
    attachments: Mapping[str, Any],
) -> Candidate:
    return Candidate(
        kind=kind,
        signer_did=entry.signer_did,
        payload_hash=entry.payload_hash,
        payload_hash_b64u=payload_hash,
        payload_text=payload_text,
        signature=entry.signature,
        record=record,
        refs=entry.refs,
        entry=entry,
        entry_bytes=entry_bytes,
        identity=identity_key(kind.name, entry.signer_did, payload_hash),
        claims=tuple(kind.claims(record, entry.signer_did, payload_hash)),
        attachments=attachments,
    )
