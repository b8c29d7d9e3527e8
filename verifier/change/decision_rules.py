"""The judgment of one allow, at its own index: every rule, in the order in which an auditor reasons."""

from __future__ import annotations

from collections.abc import Collection

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
    standing = _find_standing(case)
    while found:
        name, index = found.pop(0)
        is_new = name not in judged
        judged[name] = max(index, judged.get(name, 0))
        named = decision_named(case.history, name)
        if is_new and not isinstance(named, Refused):
            relied_on = _relied_on(case, open_allow(case, *named), standing)
            found += [(item.entry.payload_hash_b64u, named[0].index) for item in relied_on]
    return judged


_OWN_STEPS = frozenset((SIMULATE, EXECUTE, CLOSE))  # which are done by records of their own; any other by an allow


def _relied_on(case: Case, allow: Allow | None, standing: Collection[str]) -> list[Logged]:
    """One allow of each other step before it: the first that stands, else the first."""
    if allow is None or allow.policy is None:
        return []
    found = []
    for step in sorted(set(allow.policy.required_steps(allow.scope.action)) - _OWN_STEPS):
        items = step_allows(case, allow, step)
        if items:
            found.append(next((item for item in items if _stands(case, item, allow, standing)), items[0]))
    return found


def _stands(case: Case, item: Logged, relying: Allow, standing: Collection[str]) -> bool:
    """Whether an allow stands for one that relies on it: it is not withdrawn before."""
    name = item.entry.payload_hash_b64u
    return name in standing and case.history.withdrawn_between(name, item.index, relying.index) is None


def _find_standing(case: Case) -> set[str]:
    """The allows of other steps that break no rule, nor does what they rely on; one that does makes way for another.

    Each relies on allows below its own view only. So they are judged in index order, and each once, however many rely on it.
    """
    standing: set[str] = set()
    for item, decision in case.allows:
        if decision.scope["action"] in _OWN_STEPS:
            continue
        allow = open_allow(case, item, decision)
        assert allow is not None, "an allow"
        findings = Findings()
        check_decision(case, findings, allow.payload_hash, relied_on_at=item.index)
        relied_on = _relied_on(case, allow, standing)
        if not findings.has_failed() and all(_stands(case, one, allow, standing) for one in relied_on):
            standing.add(allow.payload_hash)
    return standing


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
    _check_decided_at(case, findings, allow)
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
    if not findings.has_failed():  # what is void or revoked was told
        expected = "no approval or key that it rests on revoked, no id that it uses taken before"
        check_absent(case, findings, allow, "evidence.nothing_voids", expected=expected, adverse=None)


def _check_decided_at(case: Case, findings: Findings, allow: Allow) -> None:
    """It is not dated later than it was in the log, nor than the time of judging."""
    seen_s, decided = case.earliest_seen_s(allow.index), allow.decision.decided_at
    name, found = allow.name("policy.decided_at"), f"decided at {format_time(decided)}"
    if seen_s is not None and decided > (seen_s + CLOCK_TOLERANCE_S) * NS:
        expected = f"decided at most {CLOCK_TOLERANCE_S} s after {format_time(seen_s * NS)}, when witnesses had seen it"
        findings.failed(name, "CLOCK_SKEW", expected=expected, found=found, index=allow.index)
    elif decided > case.at_ns + CLOCK_TOLERANCE_S * NS:
        expected = f"decided at most {CLOCK_TOLERANCE_S} s after the time of judging, {format_time(case.at_ns)}"
        findings.undecided(name, "DECISION_IN_FUTURE", expected=expected, found=found, index=allow.index)


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
