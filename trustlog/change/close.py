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
from trustlog.limits import DECISION_TTL_S

CLOSE: Final = "ticket.close"


async def log_closure(desk: Desk, gate: Signer, decision: Decision) -> Published:
    """Log the closure that an allowed decision of closing permits; insists while the decision lives, which is used up by it.

    Raises :class:`Refused`: ``CLOSURE_INVALID`` where something was begun since, ``CONFLICT`` where it was closed already.
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
    await _check_nothing_begun_since(desk, scope["job_id"], decision)
    members = {
        "ticket": scope["ticket"],
        "job_id": scope["job_id"],
        "run_id": run_id,
        "decision_b64u": decision,
        "bundle_b64u": scope["bundle_b64u"],
        "closing_reason": reason,
        "closed_at": format_timestamp(at_ns),
    }
    return await desk.publish_record("closure", members, gate, at_ns=at_ns, patience_s=DECISION_TTL_S)


async def _check_nothing_begun_since(desk: Desk, job_id: str, decision: str) -> None:
    """No bundle tells of what was begun after closing was decided, so that decision closes nothing any more."""
    job = await insist(lambda: desk.job(job_id), DECISION_TTL_S)
    logged = job.view.first(decision, "gate_decision", job.size)
    begins = [one for one in job.entries().valid("execution") if one.record.phase == "begin"]
    for begin in begins:
        if logged is not None and begin.index > logged.index:
            detail = "an execution was begun after closing was decided, and the bundle does not tell of it"
            expected, found = "no begin between its decision and it", f"the begin at index {begin.index}"
            hint = "build the bundle again once it has ended (trustlog bundle), have that approved, and close with it"
            raise Refused("CLOSURE_INVALID", detail, param="decision", expected=expected, found=found, hint=hint)
