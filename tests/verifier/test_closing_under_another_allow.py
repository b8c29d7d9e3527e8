"""A closure stands under an allow to close, of its own job; and of two allows of a step, one is judged."""

from __future__ import annotations

from tests.verifier.adversary.test_steps import approve_ticket, three_steps
from tests.verifier.changebuilder import Change, Payload, default_policy
from tests.verifier.judging import verdict

INVALID = "execution.closure CLOSURE_INVALID"


def told(change: Change) -> set[str]:
    return {f"{check.full_name} {check.code}" for check in verdict(change).checks}


def test_closing_under_an_allow_of_another_tool_that_names_the_bundle() -> None:
    """One person may resolve, two must close: the closure names what one person approved."""
    policy = default_policy()
    policy["tools"]["ticket.resolve"] = {
        "allowed": True,
        "step_up_approvals": 1,
        "requires_proof_bundle_reference": True,
        "required_before": ["ticket.close"],
    }

    def resolve(change: Change) -> None:
        change._approve("resolve 1", "ticket.resolve")
        allowed = change.decision("decide_close", "ticket.resolve", [change.hashes["resolve 1"]])
        change.put_decision("decide_close", allowed)

    change = Change(policy=policy, skip={"decide_close", "approve_close_1", "approve_close_2"}, before={"closure": resolve})
    found = told(change.build())
    assert {line for line in found if not line.endswith("None")} == {INVALID}


def test_closing_under_an_allow_of_another_job() -> None:
    """It is of the same run, ticket and bundle."""

    def of_another(decision: Payload) -> None:
        decision["scope"]["job_id"] = "job-8"

    assert INVALID in told(Change(edit={"decide_close": of_another}).build())


def test_of_two_allows_of_a_step_that_do_not_hold_the_first_is_judged() -> None:
    def twice(change: Change) -> None:
        approve_ticket(change, approved=False, step="decide_careless")
        approve_ticket(change, approved=False)

    change = three_steps(twice).build()
    first, second = (change.log.index_of(change.hashes[step]) for step in ("decide_careless", "decide_approve"))
    checks = verdict(change).checks
    assert [check.index for check in checks if check.full_name == "policy.decision[ticket.approve]"] == [first]
    (unused,) = [check for check in checks if check.full_name == "policy.unused_allows"]
    assert unused.found is not None
    assert unused.found.endswith(f"entries {second}")
