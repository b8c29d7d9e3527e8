"""The evidence of a decision: every entry below its view that concerns the change.

These are the entries whose refs share job, token scope, run, scope or plan with the change; the policy's and the roster chain's
entries; every resolution of one of its executions; and every revocation or supersession of one of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from trustlog.formats.entry import ref_value
from trustlog.gate.job import Job
from trustlog.gate.logged import Logged
from trustlog.gate.view import LogView

TARGETING: Final = frozenset({"revocation", "resolution", "work_policy_contract"})
"""Kinds that concern what they name as their target: revoked, looked into, superseded."""


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
    _add(found, (one for one in view.of_kind("roster", size) if one.candidate is not None))
    keys = _keys_of_people(view, size)
    looked_up: set[str] = set()
    known = 0
    while known < len(found):  # what is found may be revoked itself
        known = len(found)
        targets = _targets(job, found.values()) - looked_up
        looked_up |= targets
        for target in targets:
            _add(found, (one for one in view.sharing("target", target, size) if one.kind in TARGETING))
        _add(found, list(_revoked_keys(view, size, keys | {one.entry.signer_did for one in found.values()})))
    return [found[index] for index in sorted(found)]


def find_omitted(allow: Logged, demanded: Sequence[Logged]) -> tuple[int, ...]:
    """The indexes that a logged decision had to list and does not."""
    listed = {one.index for one in allow.record.evidence}
    return tuple(one.index for one in demanded if one.index not in listed)


def _targets(job: Job, entries: Iterable[Logged]) -> set[str]:
    """Everything but keys whose revocation, supersession or resolution would concern the change."""
    job_ref = ref_value(job.terms.job_id)
    targets = {f"job:{job.terms.job_id}", f"policy:{job.terms.policy_hash_b64u}"}
    for one in entries:
        match one.kind:
            case "token_issued" if one.candidate is not None and one.refs["job"] == job_ref:
                targets.add(f"token:{one.refs['token']}")
            case "human_approval_receipt":
                targets.add(f"approval:{one.payload_hash}")
            case "execution" if one.candidate is not None and one.record.phase == "begin":
                targets.add(one.payload_hash)
    return targets


def _keys_of_people(view: LogView, size: int) -> frozenset[str]:
    """The keys of the people of the roster in force."""
    if next(view.key_revocations(size), None) is None:
        return frozenset()  # nobody will ask
    roster = view.rosters.at(size)
    return frozenset() if roster is None else frozenset(did for person in roster.record.people for did in person.keys)


def _revoked_keys(view: LogView, size: int, keys: frozenset[str]) -> Iterable[Logged]:
    """The revocations of these keys."""
    return (one for one in view.key_revocations(size) if one.refs["target"].removeprefix("key:") in keys)


def _add(found: dict[int, Logged], entries: Iterable[Logged]) -> None:
    found.update({one.index: one for one in entries})
