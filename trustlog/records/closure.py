"""The ticket is closed: under which decision, with which bundle."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from trustlog.records.fields import Hash, Id, Note, Ticket, UtcInstant
from trustlog.records.kind import Claim, Kind, OwnRecord, by_schema, claim


class Closure(OwnRecord, frozen=True, kw_only=True):
    """A decision closes once, and a bundle closes one ticket."""

    record: Literal["trustlog/closure/v1"]
    ticket: Ticket
    job_id: Id
    run_id: Id
    decision_b64u: Hash
    bundle_b64u: Hash
    closing_reason: Annotated[Note, Meta(min_length=1)]
    closed_at: UtcInstant


def _claims(record: Closure, signer_did: str, payload_hash: str) -> list[Claim]:
    holder = (signer_did, payload_hash)
    return [
        claim("payload.decision_b64u", "closure", "decision", record.decision_b64u, value=holder),
        claim("payload.bundle_b64u", "closure", "bundle", record.bundle_b64u, value=holder),
    ]


CLOSURE: Final = Kind(
    "closure",
    by_schema(Closure),
    ("gates",),
    own=True,
    refs=lambda record, _payload_hash: {
        "job": record.job_id,
        "run": record.run_id,
        "ticket": record.ticket,
        "bundle": record.bundle_b64u,
    },
    claims=_claims,
)
