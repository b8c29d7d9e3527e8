"""Executions: begin and end of applying a plan under one decision; and resolutions of lost outcomes."""

from __future__ import annotations

from dataclasses import dataclass

from verifier import schema as s
from verifier.errors import Refused
from verifier.records.own import OwnRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution(OwnRecord):
    """`begin` is published before the command starts, `end` after it stopped."""

    phase: str = s.member(s.one_of("begin", "end"))
    decision_b64u: str = s.member(s.hash43)
    begin_b64u: str | None = s.optional(s.hash43)
    job_id: str = s.member(s.identifier)
    run_id: str = s.member(s.identifier)
    ticket: str = s.member(s.ticket)
    plan_hash_b64u: str = s.member(s.hash43)
    policy_hash_b64u: str = s.member(s.hash43)
    token_scope_hash_b64u: str = s.member(s.hash43)
    environment: str = s.member(s.line)
    outcome: str | None = s.optional(s.one_of("success", "failure"))
    diff_b64u: str | None = s.optional(s.hash43)

    def refs(self) -> dict[str, str]:
        """`job run ticket policy plan token_scope`."""
        return {
            "job": self.job_id,
            "run": self.run_id,
            "ticket": self.ticket,
            "policy": self.policy_hash_b64u,
            "plan": self.plan_hash_b64u,
            "token_scope": self.token_scope_hash_b64u,
        }


def check_execution(record: Execution) -> None:
    """A `begin` has none of begin_b64u, outcome, diff_b64u; an `end` has the first two."""
    if record.phase == "begin":
        wrong = record.begin_b64u or record.outcome or record.diff_b64u
        if wrong:
            raise Refused("SCHEMA_VALIDATION_FAILED", "begin", expected="none of begin_b64u, outcome, diff_b64u")
    elif record.begin_b64u is None or record.outcome is None:
        raise Refused("SCHEMA_VALIDATION_FAILED", "end", expected="begin_b64u and outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution(OwnRecord):
    """A person looked into an execution whose outcome was lost; it counts as ended with failure."""

    begin_b64u: str = s.member(s.hash43)
    note: str = s.member(s.note)

    def refs(self) -> dict[str, str]:
        """`target`: the begin."""
        return {"target": self.begin_b64u}
