"""The facts of the honest path, as a gate establishes them, and what tests change about them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from tests.unit.gate.story import Story
from trustlog.gate.establish import establish
from trustlog.gate.identify import identify
from trustlog.gate.judge import judge_logged_allow
from trustlog.gate.question import Question
from trustlog.policy.facts import ApprovalCase, DecisionFact, Facts, Missing, PolicyFact
from trustlog.records.work_policy_contract import ChangeManagement, Tool


def facts_of(story: Story, action: str, **changes: Any) -> Facts:
    """What the log says about a question that is asked now."""
    request = story.request(action, **changes)
    issuance, _token, findings = identify(story.view, story.view.size, request)
    assert issuance is not None, findings
    story.read_late(issuance)
    question = Question(
        view=story.view,
        size=story.view.size,
        at_ns=story.now_ns,
        issuance=issuance,
        action=action,
        plans=story.plans,
        plan_hash=request.plan_hash,
        simulation=request.simulation,
        closing_reason=request.closing_reason,
    )
    return establish(question, lambda allow: judge_logged_allow(story.view, allow, story.plans)).facts


def had(fact: Any) -> Any:
    """A fact that is not missing."""
    assert not isinstance(fact, Missing), fact
    return fact


def change(record: Any, /, **members: Any) -> Any:
    """A record or a fact with other members."""
    return msgspec.structs.replace(record, **members) if isinstance(record, msgspec.Struct) else replace(record, **members)


def with_rules(facts: Facts, /, **members: Any) -> Facts:
    """The facts under a policy with other members."""
    policy: PolicyFact = had(facts.policy)
    rules: ChangeManagement = change(policy.rules, **members)
    return replace(facts, policy=replace(policy, rules=rules))


def with_tool(facts: Facts, /, **members: Any) -> Facts:
    """The facts of a tool with other members; the policy lists it so."""
    tool: Tool = change(had(facts.tool), **members)
    facts = with_rules(facts, tools={**had(facts.policy).rules.tools, facts.action: tool})
    return replace(facts, tool=tool)


def case_of(facts: Facts) -> ApprovalCase:
    """The case of the first approval that counts."""
    approved = had(facts.bundle) if had(facts.tool).requires_proof_bundle_reference else had(facts.simulation)
    approval = had(facts.counted).approvals[0]
    return ApprovalCase(approval, facts.at_ns, facts.token, facts.tool, facts.simulation, facts.scope, above=approved.index)


def decision_of(facts: Facts) -> DecisionFact:
    """The allow that a gate would log of these facts."""
    scope, counted = had(facts.scope), had(facts.counted)
    return DecisionFact(
        index=100,
        view_size=100,
        scope=dict(scope.members),
        run_id=had(facts.simulation).record.run_id,
        roster_b64u=had(facts.roster).payload_hash,
        token_scope_hash_b64u=facts.token.token_scope_hash_b64u,
        approvals=frozenset(one.payload_hash for one in counted.approvals),
    )
