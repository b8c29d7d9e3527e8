"""What has to be done before: the steps that a policy wants first, and what counts as done."""

from __future__ import annotations

from verifier.change.case import Allow, Case
from verifier.change.findings import Findings
from verifier.ledger.logged import Logged
from verifier.records.policy import CLOSE, EXECUTE, SIMULATE
from verifier.records.simulation import Simulation


def check_required_steps(case: Case, findings: Findings, allow: Allow) -> None:
    """Every step that the policy wants before this action was done."""
    assert allow.policy is not None, "the caller checked"
    required = allow.policy.required_steps(allow.scope.action)
    missing = [step for step in required if not is_done(case, allow, step)]
    name = allow.name("policy.required_steps")
    if missing:
        code, found = "REQUIRED_STEP_MISSING", "not done"
        if EXECUTE in missing and _has_failed(case, allow):
            code, found = "EXECUTION_FAILED", "an execution that failed"
        expected = f"done before, with success: {', '.join(missing)}"
        findings.failed(name, code, expected=expected, found=found, index=allow.index)
    else:
        findings.passed(name, f"done: {', '.join(required) or 'none required'}", index=allow.index)


def _has_failed(case: Case, allow: Allow) -> bool:
    ends = [record for item, record in case.executions if item.index < allow.view and record.phase == "end"]
    return any(end.outcome == "failure" or case.is_resolved(end.begin_b64u, allow.index) for end in ends)


def is_done(case: Case, allow: Allow, step: str) -> bool:
    """Whether a step was done below the view, successfully and for the same plan and job."""
    plan = allow.scope.plan_hash_b64u
    if step == SIMULATE:
        return any(
            item.index < allow.view
            and (record.job_id, record.plan_hash_b64u, record.outcome) == (case.job_id, plan, "success")
            for item, record in case.records("simulation", Simulation)
        )
    if step == EXECUTE:
        return any(
            item.index < allow.view
            and (record.plan_hash_b64u, record.outcome) == (plan, "success")
            and not case.is_resolved(record.begin_b64u, allow.index)
            for item, record in case.executions
        )
    if step == CLOSE:
        return any(item.index < allow.view and record.job_id == case.job_id for item, record in case.closures)
    return any(item.index < allow.view for item in step_allows(case, allow, step))


def step_allows(case: Case, allow: Allow, step: str) -> list[Logged]:
    """The allows of another tool for the same job and plan, below the view."""
    return [
        item
        for item, decision in case.allows
        if item.index < allow.view
        and (decision.scope["action"], decision.scope["plan_hash_b64u"]) == (step, allow.scope.plan_hash_b64u)
    ]
