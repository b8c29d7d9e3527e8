"""An offer: an admitted submission on its way to the one writer, as plain bytes that cross a process boundary.

Admission has checked everything that needs no history. What the writer still judges needs, for most kinds, only who signed and
which keys are claimed; for the few whose rules look into the record, the record is read from the payload again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec

from trustlog.errors import Conflict, Refused, TrustlogError
from trustlog.formats.jsontext import canonicalize, parse_json
from trustlog.log.admission import Admitted
from trustlog.records.kind import Claim, Kind
from trustlog.records.kinds import KINDS, read_record


class Problem(msgspec.Struct, frozen=True, array_like=True):
    """A TrustlogError as data: what a reader is told of it. `index` and `leaf_hash` name the holder of a conflict key."""

    code: str
    detail: str
    param: str | None
    expected: str | None
    found: str | None
    hint: str
    is_refusal: bool
    index: int = 0
    leaf_hash: bytes | None = None

    @classmethod
    def of(cls, error: TrustlogError) -> Problem:
        """What `error` says."""
        held = (error.index, error.leaf_hash) if isinstance(error, Conflict) else (0, None)
        is_refusal = isinstance(error, Refused)
        return cls(error.code, error.detail, error.param, error.expected, error.found, error.hint, is_refusal, *held)

    def error(self) -> TrustlogError:
        """The error again: Conflict, Refused, or TrustlogError itself."""
        if self.leaf_hash is not None:
            return Conflict(
                self.detail, index=self.index, leaf_hash=self.leaf_hash, param=self.param or "", found=self.found
            )
        of_class = Refused if self.is_refusal else TrustlogError
        return of_class(self.code, self.detail, param=self.param, expected=self.expected, found=self.found, hint=self.hint)


class Offer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An admitted submission. `identity` is 32 bytes; `attachments` is JSON or None.

    `skew` is the refusal that its signed time deserves, if any: it counts only if the candidate is not in the log yet.
    """

    kind: str
    signer_did: str
    payload_hash_b64u: str
    identity: bytes
    entry: bytes
    payload: bytes
    attachments: bytes | None
    claims: list[Claim]
    skew: Problem | None

    @property
    def byte_size(self) -> int:
        """What it takes in a queue, about."""
        return len(self.payload) + len(self.entry) + len(self.attachments or b"")


def make_offer(admitted: Admitted) -> Offer:
    """The offer of what admission let through."""
    candidate = admitted.candidate
    return Offer(
        candidate.kind.name,
        candidate.signer_did,
        candidate.payload_hash_b64u,
        candidate.identity,
        candidate.entry_bytes,
        candidate.payload_text,
        _encode_attachments(candidate.attachments),
        list(candidate.claims),
        None if admitted.skew is None else Problem.of(admitted.skew),
    )


class Offered:
    """An offer as the ledger judges it (:class:`~trustlog.records.history.Judged`)."""

    def __init__(self, offer: Offer, origin: str) -> None:
        self._offer = offer
        self._origin = origin
        self.kind: Kind = KINDS[offer.kind]
        self.signer_did = offer.signer_did
        self.payload_hash_b64u = offer.payload_hash_b64u
        self.identity = offer.identity
        self.claims: Sequence[Claim] = offer.claims

    @cached_property
    def record(self) -> Any:
        """The record, read from the payload."""
        payload = self._offer.payload
        value = parse_json(payload, "payload")
        return read_record(self.kind, value, payload, origin=self._origin, signer_did=self.signer_did)


def _encode_attachments(attachments: Any) -> bytes | None:
    if not attachments:
        return None
    if attachments.keys() == {"issued_at"} and attachments["issued_at"].isascii() and '"' not in attachments["issued_at"]:
        return f'{{"issued_at":"{attachments["issued_at"]}"}}'.encode("ascii")  # a timestamp needs no escapes
    return canonicalize(dict(attachments))
