"""One payload read twice: as trustlog reads what is logged, and as the verifier does, down to lookup keys and conflict keys."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.trust import ORIGIN
from tests.verifier.logbuilder import encode_entry
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.entry import Entry
from trustlog.formats.jsontext import parse_json
from trustlog.records.candidate import read_logged
from trustlog.records.kind import compute_refs
from trustlog.records.kinds import get_kind, read_record
from verifier import entry as verifier_entry
from verifier.errors import Refused as VerifierRefused
from verifier.records import kinds as verifier_kinds
from verifier.records.conflicts import conflict_keys

Keys = list[tuple[object, object]]  # conflict keys with what they hold


@dataclass(frozen=True)
class Outcome:
    """`code` is None if the payload was read; then its refs and conflict keys are there."""

    code: str | None
    refs: Mapping[str, str] | None = None
    keys: Keys | None = None
    detail: str = ""


def read_by_trustlog(kind: str, text: bytes, signer: Any) -> Outcome:
    """As a reader of the log: from entry and payload."""
    try:
        refs = _refs(kind, text, signer)
        known = read_logged(make_entry(kind, text, refs, signer).encode(), text, origin=ORIGIN)
    except Refused as refused:
        return Outcome(refused.code, detail=f"{refused.detail} {refused.param} {refused.expected} {refused.found}")
    return Outcome(None, known.refs, [(claim.key, claim.value) for claim in known.claims])


def _refs(kind: str, text: bytes, signer: Any) -> Mapping[str, str]:
    try:
        read_logged(make_entry(kind, text, {}, signer).encode(), text, origin=ORIGIN)
    except Refused as refused:
        if refused.code != "ENTRY_REFS_MISMATCH":
            raise
    value = parse_json(text, "payload")
    record = read_record(get_kind(kind), value, text, origin=ORIGIN, signer_did=signer.did)
    return compute_refs(get_kind(kind), record, hash_text(text))


def read_by_verifier(kind: str, text: bytes, signer: Any) -> Outcome:
    """As the verifier reads it, with the entry that its own refs would make."""
    try:
        record = verifier_kinds.read_record(kind, text, signer_did=signer.did, origin=ORIGIN)
        refs = verifier_kinds.compute_refs(record, hash_text(text))
        signature = encode_b64u(signer.sign(hash_text(text).encode()))
        data = encode_entry(kind, hash_text(text), refs, signature_b64u=signature, signer_did=signer.did)
        entry = verifier_entry.parse_entry(data)
        verifier_entry.check_envelope_signature(entry.payload_hash_b64u, entry.signature_b64u, entry.signer_did)
    except VerifierRefused as refused:
        return Outcome(refused.code, detail=f"{refused.detail} {refused.expected} {refused.found}")
    keys = conflict_keys(kind, record, signer_did=signer.did, payload_hash_b64u=hash_text(text))
    return Outcome(None, refs, [(key, value) for key, value in keys])


def make_entry(kind: str, text: bytes, refs: Mapping[str, str], signer: Any) -> Entry:
    """The entry of a payload's text."""
    digest = hashlib.sha256(text).digest()
    return Entry(kind, digest, dict(refs), signer.sign(encode_b64u(digest).encode()), signer.did)


def hash_text(text: bytes) -> str:
    """The payload hash."""
    return encode_b64u(hashlib.sha256(text).digest())


class SameKeys:
    """Whether two ways of spelling conflict keys make the same entries conflict: a one-to-one relation of what was seen."""

    def __init__(self) -> None:
        self._there: dict[object, object] = {}
        self._back: dict[object, object] = {}

    def add(self, ours: Keys, theirs: Keys) -> None:
        """Relate two lists of keys; asserts that no earlier pair says otherwise."""
        assert len(ours) == len(theirs), (ours, theirs)
        for (key, value), (other_key, other_value) in zip(ours, theirs, strict=True):
            self._relate(("key", key), ("key", other_key))
            self._relate(("value", key, value), ("value", other_key, other_value))

    def _relate(self, ours: object, theirs: object) -> None:
        assert self._there.setdefault(ours, theirs) == theirs
        assert self._back.setdefault(theirs, ours) == ours
