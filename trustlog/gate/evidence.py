"""The evidence of a decision: every entry below its view that concerns the change.

These are the entries whose refs share job, token scope, run, scope or plan with the change; the policy's and the roster chain's
entries; every resolution of one of its executions; and every revocation or supersession of one of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from trustlog.gate.job import Job
from trustlog.gate.view import Logged, LogView
from trustlog.policy.finding import Finding


def collect_evidence(job: Job, *, run_id: str | None, scope_hash: str | None, plan_hash: str | None) -> list[Logged]:
    """The entries, in index order; what is not known yet is None."""
    view, size, terms = job.view, job.size, job.terms
    shared = {
        "job": terms.job_id,
        "token_scope": terms.token_scope_hash_b64u,
        "run": run_id,
        "scope": scope_hash,
        "plan": plan_hash,
    }
    found: dict[int, Logged] = {}
    for name, value in shared.items():
        if value is not None:
            _add(found, view.sharing(name, value, size))
    _add(found, view.named(terms.policy_hash_b64u, "work_policy_contract", size))
    _add(found, view.of_kind("roster", size))
    looked_up: set[str] = set()
    while targets := _targets(view, job, list(found.values())) - looked_up:  # what is found may be revoked itself
        looked_up |= targets
        for target in targets:
            _add(found, view.sharing("target", target, size))
    return [found[index] for index in sorted(found)]


def check_listed(view: LogView, allow: Logged, demanded: Sequence[Logged]) -> Iterator[Finding]:
    """A logged decision lists what was demanded of it, all of it below its view and as the log has it."""
    listed = {one.index: one.leaf_hash_b64u for one in allow.record.evidence}
    omitted = [one.index for one in demanded if one.index not in listed]
    if omitted:
        yield Finding("EVIDENCE_INCOMPLETE", "every entry that concerns the change", f"none of index {omitted[0]}")
    for index, leaf_hash in listed.items():
        one = view.at(index) if index < allow.record.view.size else None
        if one is None or one.leaf_hash_b64u != leaf_hash:
            yield Finding("EVIDENCE_INCOMPLETE", "entries below the view, as the log has them", f"another at index {index}")


def _targets(view: LogView, job: Job, entries: list[Logged]) -> set[str]:
    """Everything whose revocation, supersession or resolution would concern the change."""
    targets = {f"job:{job.terms.job_id}", f"policy:{job.terms.policy_hash_b64u}"}
    for one in entries:
        targets.add(f"key:{one.entry.signer_did}")
        if one.kind == "token_issued" and "token" in one.refs:
            targets.add(f"token:{one.refs['token']}")
        if one.kind == "human_approval_receipt":
            targets |= {f"approval:{one.payload_hash}", one.payload_hash}
        if one.kind == "execution":
            targets.add(one.payload_hash)
    roster = view.rosters.at(job.size)
    if roster is not None:
        targets |= {f"key:{did}" for person in roster.record.people for did in person.keys}
    return targets


def _add(found: dict[int, Logged], entries: Iterable[Logged]) -> None:
    found.update({one.index: one for one in entries})
