"""Close: the gate decides, and logs the closure. Signed by a gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trustlog.change.allow import find_allow
from trustlog.change.desk import Desk, Published, insist
from trustlog.errors import Refused
from trustlog.formats.envelope import Signer
from trustlog.formats.timestamp import format_timestamp
from trustlog.gate.decision import Decision
from trustlog.gate.job import Job
from trustlog.limits import DECISION_TTL_S

CLOSE: Final = "ticket.close"


async def log_closure(desk: Desk, gate: Signer, decision: Decision) -> Published:
    """Log the closure that an allowed decision of closing permits; insists while the decision lives, which is used up by it.

    Raises :class:`Refused`: ``CLOSURE_INVALID`` where something was begun since, ``DECISION_WITHDRAWN``, ``CONFLICT`` where it was
    closed already. Where that came while the closure was on its way, the closure is logged, and void, and the refusal says so.
    """
    assert decision.allow
    assert decision.payload_hash is not None
    assert decision.run_id is not None
    reason = decision.request.closing_reason or ""
    return await _log(desk, gate, decision.scope, run_id=decision.run_id, decision=decision.payload_hash, reason=reason)


async def log_closure_of(desk: Desk, gate: Signer, decision: str) -> Published:
    """The same for a logged allow of another gate, by its payload hash: it is found in the log and judged again first.

    Raises :class:`Refused` as :func:`log_closure` does, and as :func:`~trustlog.change.allow.find_allow`.
    """
    record = (await find_allow(desk, decision, CLOSE)).record
    if not isinstance(record.closing_reason, str):
        raise Refused("DECISION_INVALID", "the allow states no closing reason", param="decision", found=decision)
    reason = record.closing_reason
    return await _log(desk, gate, record.scope, run_id=record.run_id, decision=decision, reason=reason)


async def _log(desk: Desk, gate: Signer, scope: Mapping[str, str], *, run_id: str, decision: str, reason: str) -> Published:
    at_ns = desk.clock()
    job = await insist(lambda: desk.job(scope["job_id"]), DECISION_TTL_S)
    against = _find_between(job, decision, job.size)
    if against is not None:
        raise against
    members = {
        "ticket": scope["ticket"],
        "job_id": scope["job_id"],
        "run_id": run_id,
        "decision_b64u": decision,
        "bundle_b64u": scope["bundle_b64u"],
        "closing_reason": reason,
        "closed_at": format_timestamp(at_ns),
    }
    closure = await desk.publish_record("closure", members, gate, at_ns=at_ns, patience_s=DECISION_TTL_S)
    await _look_again(desk, scope["job_id"], decision, closure)
    return closure


async def _look_again(desk: Desk, job_id: str, decision: str, closure: Published) -> None:
    """What was logged while the closure was on its way makes it void: nobody can take it back, so whoever closed must hear it."""
    logged = f"the closure is in the log, at index {closure.index}"
    try:
        job = await _job_beyond(desk, job_id, closure.index)
    except Refused as refused:
        detail = (
            f"{logged}; whether it holds is not known, because what came just before it cannot be read: {refused.detail}"
        )
        raise refused.retold(detail, "when the log can be read: trustlog evidence, and the verifier tells") from None
    against = _find_between(job, decision, closure.index)
    if against is not None:
        hint = (
            "no pack of this job will pass: leave the ticket open, or open it again;"
            " start a new job for the change: trustlog token mint"
        )
        raise against.retold(f"{logged}, and is void: {against.detail}", hint)


async def _job_beyond(desk: Desk, job_id: str, index: int) -> Job:
    job = await insist(lambda: desk.job(job_id), DECISION_TTL_S)
    if job.size <= index:
        detail, expected = "the log shows an older tree than the one that it answered with", f"more than {index} entries"
        raise Refused("CHECKPOINT_STALE", detail, param="checkpoint", expected=expected, found=f"{job.size}")
    return job


def _find_between(job: Job, decision: str, below: int) -> Refused | None:
    """What was logged after the decision to close, and below `below`, so that nothing can be closed with it any more."""
    logged = job.view.first(decision, "gate_decision", below)
    if logged is None:
        return None  # not an allow that this log has, so whatever closes with it is refused for that
    begins = [one for one in job.entries().valid("execution") if one.record.phase == "begin"]
    begun = [one.index for one in begins if logged.index < one.index < below]
    if begun:
        detail = "an execution was begun after closing was decided, and the bundle does not tell of it"
        expected, found = "no begin between its decision and it", f"the begin at index {begun[0]}"
        hint = "build the bundle again once it has ended (trustlog bundle), have that approved, and close with it"
        return Refused("CLOSURE_INVALID", detail, param="decision", expected=expected, found=found, hint=hint)
    withdrawal = job.withdrawal(logged, below)
    if withdrawal is not None:
        found = f"the deny at index {withdrawal.index}"
        return Refused("DECISION_WITHDRAWN", "the gate withdrew this allow", param="decision", expected="none", found=found)
    return None
