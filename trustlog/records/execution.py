"""The runner's record of applying a plan: ``begin`` before the command starts, ``end`` when it is over."""

from __future__ import annotations

from typing import Final, Literal

from trustlog.errors import Refused
from trustlog.records.fields import UNSET, Hash, Id, Line, Ticket, UnsetType
from trustlog.records.kind import Claim, Kind, OwnRecord, by_schema, claim
from trustlog.records.simulation import job_refs


class Execution(OwnRecord, frozen=True, kw_only=True):
    """``decision_b64u`` is the allow it runs under; an ``end`` names its ``begin`` and the outcome."""

    record: Literal["trustlog/execution/v1"]
    phase: Literal["begin", "end"]
    decision_b64u: Hash
    job_id: Id
    run_id: Id
    ticket: Ticket
    plan_hash_b64u: Hash
    policy_hash_b64u: Hash
    token_scope_hash_b64u: Hash
    environment: Line
    begin_b64u: Hash | UnsetType = UNSET
    outcome: Literal["success", "failure"] | UnsetType = UNSET
    diff_b64u: Hash | UnsetType = UNSET


def _claims(record: Execution, signer_did: str, payload_hash: str) -> list[Claim]:
    return [
        claim("payload.decision_b64u", "execution", record.decision_b64u, record.phase, value=(signer_did, payload_hash))
    ]


def _check(record: Execution, _signer_did: str, _payload_text: bytes) -> None:
    at_end = record.phase == "end"
    for name in ("begin_b64u", "outcome"):
        present = not isinstance(getattr(record, name), UnsetType)
        if present != at_end:
            _refuse(name, "present" if at_end else "absent", "present" if present else "absent", record.phase)
    if not at_end and not isinstance(record.diff_b64u, UnsetType):
        _refuse("diff_b64u", "absent", "present", record.phase)


def _refuse(name: str, expected: str, found: str, phase: str) -> None:
    detail = f"{name} must be {expected} in a record of phase {phase}"
    raise Refused("SCHEMA_VALIDATION_FAILED", detail, param=f"payload.{name}", expected=expected, found=found)


EXECUTION: Final = Kind(
    "execution", by_schema(Execution), ("runners",), own=True, refs=job_refs, claims=_claims, check=_check
)
