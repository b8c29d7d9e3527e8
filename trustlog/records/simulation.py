"""A dry run of a plan by the runner: fingerprint, artefacts, outcome."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from trustlog.records.fields import Hash, Id, Index, Line, Struct, Ticket
from trustlog.records.kind import Claim, Kind, OwnRecord, by_schema, claim


class Artefact(Struct, frozen=True, kw_only=True):
    """One stored artefact: its role (expected diff, validation output, rollback steps …), media type, bytes and hash."""

    role: Line
    media_type: Line
    size: Index
    sha256_b64u: Hash


class Simulation(OwnRecord, frozen=True, kw_only=True):
    """``plan_hash_b64u`` is the plan fingerprint: the SHA-256 of the plan's bytes."""

    record: Literal["trustlog/simulation/v1"]
    job_id: Id
    run_id: Id
    ticket: Ticket
    plan_hash_b64u: Hash
    policy_hash_b64u: Hash
    token_scope_hash_b64u: Hash
    artefacts: Annotated[list[Artefact], Meta(max_length=64)]
    outcome: Literal["success", "failure"]


def job_refs(record: object, _payload_hash: str) -> dict[str, object]:
    """The refs of a record that the runner makes about a job."""
    fields = {
        "job": "job_id",
        "run": "run_id",
        "ticket": "ticket",
        "policy": "policy_hash_b64u",
        "plan": "plan_hash_b64u",
        "token_scope": "token_scope_hash_b64u",
    }
    return {name: getattr(record, field) for name, field in fields.items()}


def _claims(record: Simulation, _signer_did: str, _payload_hash: str) -> list[Claim]:
    return [claim("payload.run_id", "run", record.run_id, value=(record.job_id,))]


SIMULATION: Final = Kind("simulation", by_schema(Simulation), ("runners",), own=True, refs=job_refs, claims=_claims)
