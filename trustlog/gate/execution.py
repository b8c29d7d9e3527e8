"""Executions of a job: which ``begin`` and ``end`` are valid, and what is still unknown.

A ``begin`` is valid only if its decision is an allow of ``change.execute`` at a lower index that no deny withdraws in between, its
members equal the scope's, and ``issued_at`` lies within the decision's life. A ``begin`` without ``end`` is *outcome
unknown*, until its ``end``, or a resolution, after which it counts as ended with failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trustlog.gate.job import Job, JobEntries
from trustlog.gate.logged import Logged
from trustlog.policy.facts import ExecutionsFact
from trustlog.policy.finding import Finding
from trustlog.policy.rules.rule import EXECUTE


@dataclass(frozen=True, slots=True)
class Execution:
    """One valid ``begin`` with its decision, its ``end`` and its resolution, where there are such."""

    decision: Logged
    begin: Logged
    end: Logged | None
    resolved: bool

    @property
    def succeeded(self) -> bool:
        """Ended with success, and nobody had to resolve it."""
        return self.end is not None and not self.resolved and self.end.record.outcome == "success"


def executions(job: Job, entries: JobEntries | None = None) -> list[Execution]:
    """Every execution of the job with a valid ``begin``. `entries` are the job's, where they were looked up before."""
    records = (job.entries() if entries is None else entries).valid("execution")
    found = []
    for begin in (one for one in records if one.record.phase == "begin"):
        decision = _decision_of(job, begin)
        if decision is None:
            continue
        ends = (one for one in records if _is_end_of(one, begin, decision))
        found.append(Execution(decision, begin, next(ends, None), _is_resolved(job, begin)))
    return found


def executions_fact(
    job: Job, entries: JobEntries, known: list[Execution], *, against_allow: Callable[[Logged], tuple[Finding, ...]]
) -> ExecutionsFact:
    """What stands open or broken among the executions of a job: `known` are its valid ones."""
    begun = {one.begin.index for one in known}
    ended = {one.begin.index for one in known if one.end is not None}
    valid = begun | {one.end.index for one in known if one.end is not None}
    records = entries.valid("execution")
    return ExecutionsFact(
        unknown=tuple(
            (one.payload_hash, one.index)
            for one in records
            if one.record.phase == "begin" and one.index not in ended and not _is_resolved(job, one)
        ),
        unfounded=tuple((one.record.phase, one.index) for one in records if one.index not in valid),
        ill_founded=tuple(
            (one.decision.index, one.begin.index, finding.code) for one in known for finding in against_allow(one.decision)
        ),
    )


__all__ = ["EXECUTE", "Execution", "executions", "executions_fact"]


def _decision_of(job: Job, begin: Logged) -> Logged | None:
    decision = job.view.first(begin.record.decision_b64u, "gate_decision", begin.index)
    if decision is None or decision.record.decision != "allow" or decision.record.scope["action"] != EXECUTE:
        return None
    if job.withdrawal(decision, begin.index) is not None or not _same_members(begin.record, decision.record):
        return None
    lifetime = decision.record.decided_at.ns, decision.record.expires_at.ns
    return decision if lifetime[0] <= begin.record.issued_at.ns <= lifetime[1] else None


def _is_end_of(one: Logged, begin: Logged, decision: Logged) -> bool:
    record = one.record
    names = record.phase == "end" and record.begin_b64u == begin.payload_hash and one.index > begin.index
    return names and record.decision_b64u == decision.payload_hash and _same_members(record, decision.record)


def _same_members(execution: Any, decision: Any) -> bool:
    """Whether an execution's members equal those of its decision's scope, byte for byte."""
    scope = decision.scope
    names = ("job_id", "ticket", "plan_hash_b64u", "policy_hash_b64u", "environment")
    same_scope = all(getattr(execution, name) == scope[name] for name in names)
    run_and_token = execution.run_id == decision.run_id and execution.token_scope_hash_b64u == decision.token_scope_hash_b64u
    return same_scope and run_and_token


def _is_resolved(job: Job, begin: Logged) -> bool:
    for one in job.view.valid("resolution", "target", begin.payload_hash, job.size):
        person = job.view.rosters.person_at(one.entry.signer_did, one.index)
        if one.index > begin.index and person is not None and person.subject != job.terms.requester:
            return True
    return False
