"""A violation that a gate saw: a ticket closed without its bundle, a divergence, a replay. It changes no verdict."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from trustlog.records.fields import UNSET, Code, Id, Note, Ticket, UnsetType
from trustlog.records.gate_decision import LoggedAt
from trustlog.records.kind import Kind, OwnRecord, by_schema


class Violation(OwnRecord, frozen=True, kw_only=True):
    """What was seen, what was expected and found, and what was done about it."""

    record: Literal["trustlog/violation/v1"]
    code: Code
    seen: Annotated[list[LoggedAt], Meta(max_length=1_000)]
    expected: Note
    found: Note
    done: Note
    ticket: Ticket | UnsetType = UNSET
    job_id: Id | UnsetType = UNSET
    run_id: Id | UnsetType = UNSET


VIOLATION: Final = Kind(
    "violation",
    by_schema(Violation),
    ("gates",),
    own=True,
    refs=lambda record, _payload_hash: {"ticket": record.ticket, "job": record.job_id, "run": record.run_id},
)
