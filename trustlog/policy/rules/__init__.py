"""The rules of the gate, on one page: :data:`RULES` in the order of the policy document.

Each is a pure function of facts (:mod:`trustlog.policy.facts`) and yields what stands against the action: nothing yielded, nothing
against it. Each has a name, the members of the policy or clauses of the formats that it enforces, its reason codes, and a docstring
that quotes the requirement. A rule whose facts are missing denies.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Final

from trustlog.policy.facts import (
    ApprovalCase,
    ApprovalFact,
    CountedFact,
    Facts,
    JobFact,
    Missing,
    PolicyFact,
    PresentedToken,
    RosterFact,
)
from trustlog.policy.finding import Finding
from trustlog.policy.rules import approvals, closing, decision, job, steps, token, tool, whole
from trustlog.policy.rules.people import assign_roles
from trustlog.policy.rules.rule import Demand, Rule, steps_before
from trustlog.records.token_issued import TokenIssued

RULES: Final[tuple[Rule, ...]] = (
    whole.log_is_what_it_says,
    # The policy as a whole.
    whole.policy_is_valid_now,
    whole.policy_stands,
    whole.policy_demands_nothing_unsupported,
    # token_requirements.
    token.token_is_logged_and_signed,
    token.token_says_what_its_issuance_says,
    token.token_is_of_the_ticket,
    token.token_is_alive,
    token.token_is_short_lived,
    token.token_has_the_pinned_scope,
    # The job.
    job.job_is_readable,
    job.job_is_not_revoked,
    job.job_is_not_denied,
    job.job_is_open,
    job.job_names_one_run,
    job.decisions_say_what_the_log_has,
    job.allows_are_not_ahead,
    # tools: listed and allowed, for this plan.
    tool.tool_is_listed_and_allowed,
    tool.simulating_is_allowed,
    steps.plan_is_simulated,
    steps.model_calls_are_receipted,
    tool.plan_is_the_stored_one,
    job.plan_is_not_denied,
    tool.change_type_is_allowed,
    tool.environment_is_allowed,
    # tools: required_before.
    steps.steps_before_are_done,
    steps.outcomes_are_known,
    steps.executions_are_founded,
    steps.executed_allows_hold,
    # tools: requires_proof_bundle_reference.
    closing.bundle_is_logged_and_unused,
    closing.bundle_is_of_this_change,
    closing.bundle_holds_every_receipt,
    closing.bundle_holds_logged_tool_receipts,
    closing.events_are_receipted,
    closing.receipts_carry_their_event,
    # tools: approvals. First those about one approval, then those about all that count.
    approvals.approval_is_explicit,
    approvals.approval_is_of_this_change,
    approvals.approval_is_by_a_person,
    approvals.approval_is_by_another,
    approvals.approval_is_in_order,
    approvals.approval_is_in_time,
    approvals.approval_stands,
    approvals.roster_is_in_force,
    approvals.people_are_enough,
    approvals.roles_are_filled,
    approvals.requester_is_a_person,
    # An allow that is in the log.
    decision.decision_says_what_the_log_has,
    decision.decision_says_what_the_evidence_says,
    decision.decision_lists_its_evidence,
)

NOT_A_RULE: Final = {
    "wpc_version": "another version is no policy: refused at admission, void for every reader",
    "policy_name": "informational: a name for people",
    "enforcement.fail_closed": "must be true, or the policy is invalid: there is no policy that opens when evidence is missing",
    "egress.hosts": "informational: nothing here sees the agent's connections",
}
"""Members of the policy that no rule enforces, each with its reason."""

_OF_QUESTIONS: Final = tuple(one for one in RULES if one.about == "question")
_OF_TOKENS: Final = tuple(one for one in RULES if one.about == "presented token")
_OF_APPROVALS: Final = tuple(one for one in RULES if one.about == "approval")
_OF_LOGGED_ALLOWS: Final = tuple(one for one in RULES if one.about == "logged allow")
_RESTRICTIONS: Final = (
    job.job_is_not_revoked,
    job.job_is_not_denied,
    job.plan_is_not_denied,
    job.job_is_open,
    whole.policy_stands,
)
_COUNT_PEOPLE: Final = (approvals.people_are_enough, approvals.roles_are_filled)


def check_question(facts: Facts) -> tuple[Finding, ...]:
    """Everything that stands against an action: nothing, if it is allowed.

    What stands against single approvals is told only where those that count are not enough.
    """
    demand = find_demand(facts)
    findings: list[Finding] = []
    for one in _OF_QUESTIONS:
        if one.applies is not None and (demand is None or not one.applies(demand)):
            continue  # without a policy and a tool there is no demand, and other rules have denied
        found = list(one.against(facts))
        if found and one in _COUNT_PEOPLE and isinstance(facts.counted, CountedFact):
            findings += facts.counted.against
        findings += found
    return tuple(dict.fromkeys(findings))


def check_presented_token(presented: PresentedToken | Missing) -> tuple[Finding, ...]:
    """Everything that stands against the token that a caller presented."""
    findings: list[Finding] = []
    for one in _OF_TOKENS:
        found = tuple(one.against(SimpleNamespace(presented=presented)))
        if found and one is token.token_is_logged_and_signed:
            return found  # what such a token says is nobody's word
        findings += found
    return tuple(findings)


def check_logged_allow(facts: Facts) -> tuple[Finding, ...]:
    """What a logged allow says otherwise than the evidence."""
    return tuple(finding for one in _OF_LOGGED_ALLOWS for finding in one.against(facts))


def check_restrictions(terms: TokenIssued, known: JobFact, policy: PolicyFact | Missing) -> tuple[Finding, ...]:
    """What restricts a job by now, whatever it asks for: revocations, denials, its closure, the fall of its policy."""
    about = SimpleNamespace(token=terms, job=known, policy=policy)
    return tuple(finding for one in _RESTRICTIONS for finding in one.against(about))


def count_approvals(cases: Iterable[ApprovalCase], roster: RosterFact | None) -> CountedFact:
    """The approvals against which no rule stands, at most one a person, and the findings against the rest."""
    counted: dict[str, ApprovalFact] = {}
    again: list[ApprovalFact] = []
    against: list[Finding] = []
    for case in cases:
        found = [finding for one in _OF_APPROVALS for finding in one.against(case)]
        if isinstance(case.approval, Missing):
            against += found or case.approval.why
            continue
        subject = case.approval.record.approver_subject
        if not found and subject in counted:
            found = [approvals.same_person(counted[subject], case.approval)]
            again.append(case.approval)
        if not found:
            counted[subject] = case.approval
        against += found
    return CountedFact(tuple(counted.values()), roster, tuple(against), tuple(again))


def find_demand(facts: Facts) -> Demand | None:
    """What the policy demands of the action; None where there is no policy in force, or it does not list the action."""
    if isinstance(facts.policy, Missing) or isinstance(facts.tool, Missing):
        return None
    return Demand(facts.action, facts.policy.rules, facts.tool)


__all__ = [
    "NOT_A_RULE",
    "RULES",
    "assign_roles",
    "check_logged_allow",
    "check_presented_token",
    "check_question",
    "check_restrictions",
    "count_approvals",
    "find_demand",
    "steps_before",
]
