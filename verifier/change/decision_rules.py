"""The judgment of one allow, at its own index: every rule, in the order in which an auditor reasons."""

from __future__ import annotations

from verifier.change.absence import adverse_at, check_absent
from verifier.change.approval_rules import check_approvals
from verifier.change.bundle_rules import check_bundle
from verifier.change.case import Allow, Case
from verifier.change.denial_rules import check_denials
from verifier.change.done import step_allows
from verifier.change.evidence_rules import check_nothing_omitted
from verifier.change.execution_rules import decision_named
from verifier.change.findings import Findings
from verifier.change.job_rules import check_job_open, check_run_and_round
from verifier.change.policy_rules import check_policy, check_tool
from verifier.change.simulation_rules import check_plan, check_simulation
from verifier.change.token_rules import check_token
from verifier.errors import Refused
from verifier.ledger.logged import Logged
from verifier.limits import CLOCK_TOLERANCE_S
from verifier.records.decision import Decision
from verifier.records.policy import CLOSE, EXECUTE, SIMULATE, PublishedPolicy
from verifier.times import NS, format_time


def judged_decisions(case: Case) -> dict[str, int]:
    """The payload hashes of the allows that a begin or closure names, and of those that these rely on.

    With each the index of the last record that relies on it: a withdrawal above that comes too late to change anything.
    """
    found = [(record.decision_b64u, item.index) for item, record in case.begins]
    found += [(record.decision_b64u, item.index) for item, record in case.closures if record.job_id == case.job_id]
    judged: dict[str, int] = {}
    while found:
        name, index = found.pop(0)
        is_new = name not in judged
        judged[name] = max(index, judged.get(name, 0))
        named = decision_named(case.history, name)
        if is_new and not isinstance(named, Refused):
            found += [(relied, named[0].index) for relied in _relied_on(case, open_allow(case, *named))]
    return judged


def _relied_on(case: Case, allow: Allow | None) -> list[str]:
    """The allows that an allow relies on: of each step that is done by an allow the first that holds, else the first."""
    if allow is None or allow.policy is None:
        return []
    steps = set(allow.policy.required_steps(allow.scope.action)) - {SIMULATE, EXECUTE, CLOSE}
    relied = []
    for step in sorted(steps):
        candidates = [item.entry.payload_hash_b64u for item in step_allows(case, allow, step)]
        if candidates:
            relied.append(next((one for one in candidates if _holds(case, one, allow.index)), candidates[0]))
    return relied


def _holds(case: Case, decision_b64u: str, index: int) -> bool:
    """Whether an allow, and all that it relies on in turn, breaks no rule for what relies on it at `index`.

    Each relies on allows below its own view only, so this ends.
    """
    findings = Findings()
    check_decision(case, findings, decision_b64u, relied_on_at=index)
    named = decision_named(case.history, decision_b64u)
    if findings.has_failed() or isinstance(named, Refused):
        return False
    return all(_holds(case, name, named[0].index) for name in _relied_on(case, open_allow(case, *named)))


def open_allow(case: Case, item: Logged, decision: Decision) -> Allow | None:
    """The allow with its scope, policy and tool; None for a deny."""
    if not decision.is_allow:
        return None
    scope = decision.complete_scope()
    found = case.history.find("work_policy_contract", scope.policy_hash_b64u)
    record = found.record if found is not None else None
    policy = record.rules if isinstance(record, PublishedPolicy) else None
    tool = policy.tools.get(scope.action) if policy else None
    return Allow(item, decision, scope, decision.scope_hash() or "", policy, tool)


def check_decision(case: Case, findings: Findings, decision_b64u: str, *, relied_on_at: int) -> None:
    """Judge one decision by its payload hash; the last record that relies on it stands at the index `relied_on_at`."""
    named = decision_named(case.history, decision_b64u)
    if isinstance(named, Refused):
        findings.refused("policy.decision", named)
        return
    item, decision = named
    allow = open_allow(case, item, decision)
    if allow is None:
        expected = "an allow, on which something relies"
        findings.failed("policy.decision", "DECISION_INVALID", expected=expected, found="a deny", index=item.index)
        return
    if allow.scope.job_id != case.job_id:
        expected, found = f"an allow of job {case.job_id}", f"one of job {allow.scope.job_id}"
        findings.failed("policy.decision", "DECISION_INVALID", expected=expected, found=found, index=item.index)
        return
    if allow.view > allow.index:
        findings.failed(
            allow.name("policy.decision"),
            "VIEW_INVALID",
            expected=f"a view of the {allow.index} entries below the decision, or of fewer",
            found=f"one of {allow.view} entries",
            index=item.index,
        )
        return
    findings.passed(allow.name("policy.decision"), f"by {item.entry.signer_did}", index=item.index)
    if decision.decided_at > case.at_ns + CLOCK_TOLERANCE_S * NS:
        findings.undecided(
            allow.name("policy.decided_at"),
            "DECISION_IN_FUTURE",
            expected=f"decided at most {CLOCK_TOLERANCE_S} s after the time of judging, {format_time(case.at_ns)}",
            found=f"decided at {format_time(decision.decided_at)}",
            index=item.index,
        )
    check_nothing_omitted(case, findings, allow)
    check_policy(case, findings, allow)
    check_token(case, findings, allow)
    check_plan(case, findings, allow)
    check_simulation(case, findings, allow)
    check_run_and_round(case, findings, allow)
    check_job_open(case, findings, allow)
    check_tool(case, findings, allow)
    check_denials(case, findings, allow)
    check_approvals(case, findings, allow)
    check_bundle(case, findings, allow)
    _check_not_withdrawn(case, findings, allow, relied_on_at)


def _check_not_withdrawn(case: Case, findings: Findings, allow: Allow, relied_on_at: int) -> None:
    """What relies on the decision came before any withdrawal of it."""
    at = case.history.withdrawn_between(allow.payload_hash, allow.index, relied_on_at)
    adverse = adverse_at("DECISION_WITHDRAWN", "decision", "withdrawn", at)
    check_absent(
        case,
        findings,
        allow,
        "execution.not_withdrawn",
        expected="decision not withdrawn before it was used",
        adverse=adverse,
    )
