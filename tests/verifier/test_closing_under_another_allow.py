"""A closure stands under an allow to close, of its own job; and of two allows of a step, one is judged."""

from __future__ import annotations

import pytest

from tests.verifier.adversary.test_after_closure import HELD_BACK, begin_again
from tests.verifier.adversary.test_approvals import STRANGER
from tests.verifier.adversary.test_steps import approve_ticket, three_steps
from tests.verifier.changebuilder import Change, Payload
from tests.verifier.judging import setting, verdict
from tests.verifier.logbuilder import hash_of
from tests.verifier.test_used_again import closed_again, resolving_policy

INVALID = "execution.closure CLOSURE_INVALID"


def told(change: Change) -> set[str]:
    return {f"{check.full_name} {check.code}" for check in verdict(change).checks}


def test_closing_under_an_allow_of_another_tool_that_names_the_bundle() -> None:
    """One person may resolve, two must close: the closure names what one person approved."""

    def resolve(change: Change) -> None:
        change._approve("resolve 1", "ticket.resolve")
        allowed = change.decision("decide_close", "ticket.resolve", [change.hashes["resolve 1"]])
        change.put_decision("decide_close", allowed)

    change = Change(
        policy=resolving_policy(), skip={"decide_close", "approve_close_1", "approve_close_2"}, before={"closure": resolve}
    )
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


@pytest.mark.parametrize(
    "members",
    [
        {"ticket": "jira.example:CHG-8"},
        {"run_id": "run-8"},
        {"bundle_b64u": hash_of(b"another")},
        {"closing_reason": "for another reason"},
    ],
    ids=lambda members: next(iter(members)),
)
def test_a_closure_of_another(members: dict[str, str]) -> None:
    pack = Change(edit={"closure": setting(**members)}).build().pack()
    del pack["subject"]["bundle"]
    pack["subject"]["run"] = members.get("run_id", "run-7")
    report = verdict(pack)
    (check,) = [check for check in report.checks if check.full_name == "execution.closure"]
    assert check.code == "CLOSURE_INVALID"
    assert check.expected is not None
    assert check.expected.startswith(f"{next(iter(members))}: ")


def test_a_closure_that_is_void_says_why() -> None:
    assert "execution.closure SIGNER_NOT_TRUSTED" in told(Change(signer={"closure": STRANGER}).build())


def test_what_came_after_the_closure_is_told() -> None:
    begun = Change(before=HELD_BACK | {"after": begin_again}).build()
    assert [check.found for check in verdict(begun).checks if check.name == "after_closure"] == ["a begin"]
    closed = Change(before={"after": closed_again}).build().pack()
    del closed["subject"]["bundle"]
    assert [check.found for check in verdict(closed).checks if check.name == "after_closure"] == ["a second closure"]
