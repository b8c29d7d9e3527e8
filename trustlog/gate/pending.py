"""Prudence beyond the rules: a gate does not allow executing while an allow to close may be used yet, nor the other way round.

What is begun after closing was decided is in no bundle. The index alone settles that for whoever reads: nothing may be begun
between a closing decision and its closure. This keeps honest people from getting there; it counts against no allow that another
gate gave.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trustlog.gate.job import Job, JobEntries
from trustlog.gate.logged import Logged
from trustlog.gate.view import LogView
from trustlog.policy.finding import Finding
from trustlog.policy.rules.rule import CLOSE, EXECUTE
from trustlog.records.scope import BUNDLE_MEMBER


def find_pending(job: Job, entries: JobEntries, action: str, *, is_closing: bool, at_ns: int) -> Iterator[Finding]:
    """An allow of the job that excludes `action` at `at_ns` (nanoseconds since 1970), for each that there is.

    It is alive, no deny withdraws it, and nothing was begun under it. `is_closing` says whether the action closes the job.
    """
    if action != EXECUTE and not is_closing:
        return
    begun = {one.record.decision_b64u for one in entries.valid("execution")}
    for allow in entries.decisions("allow"):
        record, until = allow.record, allow.record.expires_at
        excludes = closes_the_job(record.scope) if action == EXECUTE else record.scope["action"] == EXECUTE
        if not excludes or until.ns < at_ns or allow.payload_hash in begun or job.withdrawal(allow, job.size) is not None:
            continue
        expected = "no unused allow of executing while closing is asked for, nor of closing while executing is"
        step = f"Use the allow at index {allow.index} first, or ask again after {until.text}, when it has expired."
        yield Finding("DECISION_PENDING", expected, f"the one at index {allow.index}, alive until {until.text}", step)


def find_pending_below(view: LogView, allow: Logged) -> tuple[Finding, ...]:
    """What excludes an allow of this gate's own, by what stands below it in the log."""
    record = allow.record
    job = Job(view, allow.index, view.valid("token_issued", "token", record.token_hash, allow.index)[0])
    closing, at_ns = closes_the_job(record.scope), record.decided_at.ns
    return tuple(find_pending(job, job.entries(), record.scope["action"], is_closing=closing, at_ns=at_ns))


def closes_the_job(scope: Any) -> bool:
    """Whether an allow of this scope permits a closure."""
    return scope["action"] == CLOSE or BUNDLE_MEMBER in scope
