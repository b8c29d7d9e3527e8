"""Allows of a job that may be used yet: what is executed, and what is closed, must not cross each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trustlog.gate.job import Job, JobEntries
from trustlog.policy.rules.rule import CLOSE, EXECUTE, Demand, closes
from trustlog.records.scope import BUNDLE_MEMBER


def pending_against(demand: Demand, job: Job, entries: JobEntries, *, at_ns: int) -> Iterator[tuple[int, str]]:
    """The index of each allow that excludes what is asked for, and until when.

    That is one of closing for who would execute, and one of executing for who would close. It is alive at `at_ns` (nanoseconds
    since 1970), no deny withdraws it, and nothing was begun under it.
    """
    begun = {one.record.decision_b64u for one in entries.valid("execution")}
    for allow in entries.decisions("allow"):
        record = allow.record
        if record.expires_at.ns < at_ns or not _excludes(demand, record.scope):
            continue
        if allow.payload_hash not in begun and job.withdrawal(allow, job.size) is None:
            yield allow.index, record.expires_at.text


def _excludes(demand: Demand, scope: Any) -> bool:
    if demand.action == EXECUTE:
        return scope["action"] == CLOSE or BUNDLE_MEMBER in scope
    return scope["action"] == EXECUTE and (demand.action == CLOSE or closes(demand))
