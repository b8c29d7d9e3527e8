"""What can never be done by the policy's own words is what the gate never allows, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import keys
from tests.support.payloads import person
from tests.unit.gate.story import CLOSE, DORA, EXECUTE, Story, policy
from trustlog.formats.jsontext import canonicalize
from trustlog.policy.order import Order, denied_tools, find_unreachable
from trustlog.policy.traps import find_traps
from trustlog.records.work_policy_contract import ChangeManagement, policy_from_text

FREE: dict[str, Any] = {"two_person_rule": None, "step_up_approvals": None, "approver_constraints": None}
TWO: dict[str, Any] = {"two_person_rule": True}
NO_BUNDLE = {"fail_closed": True, "require_gateway_receipts": True, "require_proof_bundle": False}


def rules_of(document: dict[str, Any]) -> ChangeManagement:
    found = policy_from_text(canonicalize(document)).rules
    assert found is not None
    return found


def everybody() -> list[dict[str, Any]]:
    both = ("service_owner", "platform_security")
    people = (("p-alice", keys.ALICE), ("p-bob", keys.BOB), ("p-carol", keys.CAROL), ("p-dora", DORA))
    return [person(subject, signer, roles=both) for subject, signer in people]


def gate_allows(document: dict[str, Any], action: str) -> bool:
    """Whether the gate allows the action to a story in which everybody does all that they can."""
    story = Story().govern(document, roster=everybody())
    story.up_to_simulation()
    if action == EXECUTE:
        return _approved(story, EXECUTE)
    if not _approved(story, EXECUTE):
        return False
    story.bundle(story.execute(story.decide(EXECUTE)))
    return _approved(story, action)


def _approved(story: Story, action: str) -> bool:
    if len(story.ask(action).scope) >= 13:  # there is a scope to approve
        story.approve(action, "p-alice", "p-bob", "p-carol")
    return not story.codes(action)


POLICIES: dict[str, dict[str, Any]] = {
    "honest": policy(),
    "nothing simulated": policy(tools={"change.simulate": None}),
    "simulating is not allowed": policy(tools={"change.simulate": {"allowed": False}}),
    "simulating with approvals": policy(tools={"change.simulate": {**TWO}}),
    "executing is not allowed": policy(tools={EXECUTE: {"allowed": False}}),
    "executing is not listed": policy(tools={EXECUTE: None}),
    "nobody demands the execution first": policy(tools={EXECUTE: {"required_before": None}}),
    "three people": policy(tools={EXECUTE: {"step_up_approvals": 3}}),
    "a circle": policy(tools={CLOSE: {"required_before": [EXECUTE]}}),
    "a step that is not allowed": policy(tools={"ticket.approve": {"allowed": False, "required_before": [EXECUTE], **TWO}}),
    "no environment in common": policy(tools={CLOSE: {"environments": ["lab"]}}),
    "an environment in common": policy(tools={CLOSE: {"environments": ["lab", "production"]}}),
    "no change type in common": policy(tools={CLOSE: {"change_types": ["schema"]}}),
    "step-up when executing": policy(tools={EXECUTE: {"step_up": {"acr": ["mfa"], "max_age_s": 300}}}),
    "step-up when closing": policy(tools={CLOSE: {"step_up": {"acr": ["mfa"], "max_age_s": 300}}}),
    "budgets": policy(budgets={"max_calls": 9}),
    "models": policy(models={"providers": ["*"], "models": ["*"]}),
    "possession": policy(token_requirements={**policy()["token_requirements"], "proof_of_possession": True}),
    "a plan match instead of approvals": policy(tools={EXECUTE: {**FREE, "requires_plan_fingerprint_match": True}}),
}


@pytest.mark.parametrize("action", [EXECUTE, CLOSE])
@pytest.mark.parametrize("name", POLICIES)
def test_what_can_never_be_done_is_what_the_gate_never_allows(name: str, action: str) -> None:
    document = POLICIES[name]
    rules = rules_of(document)
    assert (action in rules.tools and action not in denied_tools(rules)) == gate_allows(document, action)


def test_an_execution_whose_allow_is_not_logged_has_no_decision_to_name() -> None:
    rules = rules_of(policy(tools={EXECUTE: {**FREE, "requires_plan_fingerprint_match": None, "required_before": None}}))
    assert {one.trap for one in find_unreachable(rules)[EXECUTE]} == {"execution-without-decision"}
    assert {one.trap for one in find_unreachable(rules)[CLOSE]} == {"step-denied"}


def test_steps_are_followed_to_the_first() -> None:
    rules = rules_of(policy(tools={"ticket.approve": {"allowed": True, "required_before": [EXECUTE], **TWO}}))
    assert Order(rules).all_prior[CLOSE] == [EXECUTE, "ticket.approve"]
    assert Order(rules).all_prior["ticket.read"] == []
    assert Order(rules).find_circle(CLOSE) is None


def test_a_circle_is_told_as_a_way_and_only_of_those_in_it() -> None:
    rules = rules_of(
        policy(
            tools={
                "a": {"allowed": True, "required_before": ["b"], **TWO},
                "b": {"allowed": True, "required_before": ["a", "c"], **TWO},
                "c": {"allowed": True},
            }
        )
    )
    assert Order(rules).find_circle("a") == ["a", "b", "a"]
    assert Order(rules).find_circle("c") is None
    assert {one.trap for one in find_unreachable(rules)["c"]} == {"step-denied"}
    itself = rules_of(policy(tools={"a": {"allowed": True, "required_before": ["a"], **TWO}}))
    assert Order(itself).find_circle("a") == ["a", "a"]


def test_values_are_those_that_every_step_permits() -> None:
    rules = rules_of(policy(tools={CLOSE: {"environments": ["production", "lab"]}}))
    assert Order(rules).permitted_values(CLOSE, "environments") == ["production"]
    assert Order(rules).permitted_values(CLOSE, "change_types") == ["config"]
    assert Order(rules).permitted_values("ticket.read", "environments") is None


def test_a_policy_at_its_bounds_is_judged() -> None:
    """Every tool before every other as far as the schema lets it, with lists that leave nothing: in bounded work."""
    names = [f"t{number}" for number in range(256)]
    lists = {"environments": [f"e{number}" for number in range(64)], "change_types": [f"c{number}" for number in range(64)]}
    document = policy() | {
        "tools": {name: {"allowed": True, **TWO, **lists, "required_before": names[:64]} for name in names}
    }
    rules = rules_of(document)
    assert find_unreachable(rules).keys() == set(names)
    assert len(find_traps(policy_from_text(canonicalize(document)), 0)) < 10_000
