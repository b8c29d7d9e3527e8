"""Execute: publish ``begin``, run the command on exactly the stored plan bytes, publish ``end``. Done by the runner.

The runner does not take a gate's word: it judges the logged allow again, at its own index, from its own reading of the log.
``begin`` is published before the command starts, and the command starts only if the log had no ``begin`` of this decision, so one
allow never starts a second execution. A crash in between leaves *outcome unknown*, which blocks closing until a person of the
roster resolves it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from trustlog.change.allow import check_alive, find_allow
from trustlog.change.command import Ran
from trustlog.change.desk import Desk, Published
from trustlog.errors import Refused
from trustlog.formats.envelope import Signer, parse_envelope
from trustlog.formats.timestamp import parse_timestamp
from trustlog.gate.execution import EXECUTE
from trustlog.gate.job import Job
from trustlog.gate.logged import Logged
from trustlog.gate.pending import find_pending
from trustlog.policy.finding import Finding
from trustlog.records.plan import compute_fingerprint

__all__ = ["Executed", "Ran", "execute"]

BEGIN_PATIENCE_S: Final = 20  # within a decision's life
END_PATIENCE_S: Final = 120  # how long the log may be away before the outcome counts as unknown


@dataclass(frozen=True, slots=True)
class Executed:
    """Both records of an execution, and what the command did. `unstored` says why its output could not be stored, if so."""

    begin: Published
    end: Published
    ran: Ran
    unstored: Refused | None = None


async def execute(
    desk: Desk,
    signer: Signer,
    *,
    decision: str,
    run: Callable[[bytes], Ran],
    plan: bytes | None = None,
    begun: Callable[[Published], None] = lambda _begin: None,
) -> Executed:
    """Apply the plan of one logged allow (`decision` is its payload hash) by `run`, which gets the stored bytes.

    `plan`, if given, must be the approved plan byte for byte. `begun` hears of the ``begin`` before `run` starts.

    Raises :class:`Refused`: ``DECISION_NOT_LOGGED``, ``DECISION_EXPIRED``, ``DECISION_WITHDRAWN``, the code of whatever stands
    against the allow, ``JOB_ENDED``, ``DECISION_PENDING``, ``PLAN_MISMATCH``, ``EXECUTION_ALREADY_BEGUN``; nothing ran then. A
    refusal after `run` names its exit code, and how to resolve the execution.
    """
    allow = await find_allow(desk, decision, EXECUTE)
    closing = _closing(await desk.job(allow.record.scope["job_id"]), desk.reading.view.size, now_ns=desk.clock())
    if closing is not None:
        raise closing
    stored = await _stored_plan(desk, allow, plan)
    begin = await _begin(desk, signer, allow)
    begun(begin)
    started_ns = time.monotonic_ns()
    why_not = await _against_starting(desk, allow, begin)
    ran = run(stored) if why_not is None else Ran(None, f"not started: {why_not.code}: {why_not.detail}\n".encode())
    ended_ns = _end_time(desk, begin, time.monotonic_ns() - started_ns)
    try:
        executed = await _end(desk, signer, allow, begin, ran, at_ns=ended_ns)
    except Refused as refused:
        detail = f"{ran.ending}, but its end is not in the log: {refused.detail}"
        raise refused.retold(detail, _resolve_hint(begin.payload_hash)) from None
    if why_not is not None:
        hint = f"nothing ran, and that is logged at index {executed.end.index}; {why_not.hint}"
        raise why_not.retold(why_not.detail, hint)
    return executed


async def _stored_plan(desk: Desk, allow: Logged, plan: bytes | None) -> bytes:
    approved = allow.record.scope["plan_hash_b64u"]
    stored = await desk.reading.plan(approved)
    if stored is None:
        raise Refused("PLAN_MISSING", "the log does not have the plan's bytes", param="plan", found=approved)
    if plan is not None and plan != stored:
        detail = "this is not the plan that was approved"
        raise Refused("PLAN_MISMATCH", detail, param="plan", expected=approved, found=compute_fingerprint(plan))
    return stored


async def _begin(desk: Desk, signer: Signer, allow: Logged) -> Published:
    """Publish ``begin``; ``EXECUTION_ALREADY_BEGUN`` if the decision has another one."""
    envelope = desk.seal_record("execution", _members(allow, "begin"), signer)
    try:
        return await desk.submit(envelope, patience_s=BEGIN_PATIENCE_S)
    except Refused as refused:
        if refused.code == "CONFLICT":
            detail, expected = "an execution of this decision was begun before", "a decision that started nothing yet"
            hint = "one decision starts one execution: ask the gate again, after new approvals"
            raise Refused(
                "EXECUTION_ALREADY_BEGUN", detail, param="decision", expected=expected, found=refused.found, hint=hint
            ) from None
        if refused.code == "LOG_UNREACHABLE":
            name = parse_envelope(envelope).payload_hash_b64u
            detail = f"nothing was started; whether the begin {name} was logged is not known: {refused.detail}"
            raise refused.retold(detail, f"if the gate says EXECUTION_OUTCOME_UNKNOWN: {_resolve_hint(name)}") from None
        raise


async def _against_starting(desk: Desk, allow: Logged, begin: Published) -> Refused | None:
    """Why the command must not start, although its ``begin`` is in the log."""
    if begin.already_logged:
        detail = f"the log had this begin already, at index {begin.index}: an earlier answer was lost on its way"
        return Refused("EXECUTION_ALREADY_BEGUN", detail, param="decision", expected="a begin that is new")
    try:
        job = await desk.job(allow.record.scope["job_id"])
        check_alive(desk, allow)
    except Refused as refused:
        return refused
    if job.withdrawal(allow, begin.index) is not None:
        hint = f"the job is over: start a new one. {_resolve_hint(begin.payload_hash)}"
        return Refused("DECISION_WITHDRAWN", "the gate withdrew this allow before the begin", param="decision", hint=hint)
    return _closing(job, begin.index, now_ns=desk.clock())


def _closing(job: Job, below: int, *, now_ns: int) -> Refused | None:
    """That the job's ticket was closed below `below`, or may be: its bundle tells of every execution, so none may follow."""
    closures = job.view.valid("closure", "job", job.terms.job_id, below)
    if not closures:
        below_it = replace(job, size=below)
        pending = find_pending(below_it, below_it.entries(), EXECUTE, is_closing=False, at_ns=now_ns)
        return next((_refused(one) for one in pending), None)
    detail = "the ticket was closed after this allow, and nothing is executed after that"
    expected, found = "a job that is not closed", f"its closure at index {closures[0].index}"
    hint = "start a new job for what is still to be done: trustlog token mint"
    return Refused("JOB_ENDED", detail, param="decision", expected=expected, found=found, hint=hint)


def _refused(finding: Finding) -> Refused:
    detail = "an allow to close the ticket may be used yet, and nothing is executed once closing was decided"
    return Refused(finding.code, detail, param="decision", expected=finding.expected, found=finding.found, hint=finding.hint)


def _end_time(desk: Desk, begin: Published, elapsed_ns: int) -> int:
    """Now; never before the begin, even where the clock was set back while the command ran."""
    now_ns, begun_ns = desk.clock(), parse_timestamp(begin.payload["issued_at"], "issued_at", utc_only=True)
    return now_ns if now_ns >= begun_ns else begun_ns + elapsed_ns


async def _end(desk: Desk, signer: Signer, allow: Logged, begin: Published, ran: Ran, *, at_ns: int) -> Executed:
    """Publish ``end``. It insists: a lost end would leave *outcome unknown*. Output that cannot be stored does not stop it."""
    members = {
        **_members(allow, "end"),
        "begin_b64u": begin.payload_hash,
        "outcome": "success" if ran.succeeded else "failure",
    }
    unstored = None
    try:
        members["diff_b64u"] = await desk.store(ran.output, patience_s=END_PATIENCE_S)
    except Refused as refused:
        unstored = refused
    end = await desk.publish_record("execution", members, signer, at_ns=at_ns, patience_s=END_PATIENCE_S)
    return Executed(begin, end, ran, unstored)


def _resolve_hint(begin: str) -> str:
    return f"the outcome is unknown to the log; a person of the roster: trustlog resolve --begin {begin} --note TEXT"


def _members(allow: Logged, phase: str) -> dict[str, Any]:
    scope = allow.record.scope
    return {
        "phase": phase,
        "decision_b64u": allow.payload_hash,
        "job_id": scope["job_id"],
        "run_id": allow.record.run_id,
        "ticket": scope["ticket"],
        "plan_hash_b64u": scope["plan_hash_b64u"],
        "policy_hash_b64u": scope["policy_hash_b64u"],
        "token_scope_hash_b64u": allow.record.token_scope_hash_b64u,
        "environment": scope["environment"],
    }
