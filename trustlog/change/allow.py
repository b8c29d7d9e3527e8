"""A logged allow, as whoever acts on it sees it: found, alive, standing, and judged again from one's own reading of the log."""

from __future__ import annotations

from trustlog.change.desk import Desk
from trustlog.errors import Refused
from trustlog.formats.timestamp import format_timestamp
from trustlog.gate.judge import judge_logged_allow
from trustlog.gate.logged import Logged


async def find_allow(desk: Desk, decision: str, action: str) -> Logged:
    """The logged allow of `action` whose payload hash is `decision`, checked to hold now.

    Raises :class:`Refused`: ``DECISION_NOT_LOGGED``, ``DECISION_EXPIRED``, ``DECISION_WITHDRAWN``, or the code of whatever stands
    against it.
    """
    await desk.reading.catch_up()
    view = desk.reading.view
    found = view.first(decision, "gate_decision", view.size)
    if found is None or found.record.decision != "allow" or found.record.scope["action"] != action:
        detail, expected = "there is no such decision", f"a logged allow of {action}"
        hint = f"ask the gate for one: trustlog gate check --action {action}"
        raise Refused("DECISION_NOT_LOGGED", detail, param="decision", expected=expected, found=decision, hint=hint)
    check_alive(desk, found)
    await _check_founded(desk, found)
    return found


def check_alive(desk: Desk, allow: Logged) -> None:
    """Check that the time is within the decision's life; ``DECISION_EXPIRED``."""
    record, now_ns = allow.record, desk.clock()
    if not record.decided_at.ns <= now_ns <= record.expires_at.ns:
        life = f"a time from {record.decided_at.text} to {record.expires_at.text}"
        found = format_timestamp(now_ns)
        hint = "ask the gate again; the approvals were used up by this decision, so they are needed again, too"
        raise Refused(
            "DECISION_EXPIRED", "the decision is not alive now", param="decision", expected=life, found=found, hint=hint
        )


async def _check_founded(desk: Desk, allow: Logged) -> None:
    view = desk.reading.view
    job = await desk.job(allow.record.scope["job_id"])
    withdrawal = job.withdrawal(allow, view.size)
    if withdrawal is not None:
        found = f"the deny at index {withdrawal.index}"
        raise Refused("DECISION_WITHDRAWN", "the gate withdrew this allow", param="decision", expected="none", found=found)
    plans = await desk.reading.read_job(job.issuance, view.size)
    for finding in judge_logged_allow(view, allow, plans):
        detail = f"the allow at index {allow.index} does not hold: {finding.detail}"
        raise Refused(finding.code, detail, param="decision", expected=finding.expected, found=finding.found)
