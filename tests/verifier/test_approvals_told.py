"""What is told of approvals that do not count, and of what counts as a denial."""

from __future__ import annotations

from tests.verifier.adversary.test_approvals import COUNTS, DENIED, executed
from tests.verifier.changebuilder import SECURITY, Change, default_policy
from tests.verifier.judging import verdict


def found(change: Change, name: str) -> list[tuple[str | None, str | None]]:
    return [(check.code, check.found) for check in verdict(change).checks if check.full_name == name]


def test_no_approval_lives_for_a_tool_that_the_policy_does_not_list() -> None:
    """Not for a second: nothing says how long."""
    policy = default_policy()
    del policy["tools"]["change.execute"]
    policy["tools"]["change.simulate"]["required_before"] = ["ticket.close"]
    assert [code for code, _ in found(executed(policy=policy), COUNTS)] == ["APPROVAL_EXPIRED", "APPROVAL_EXPIRED"]


def test_a_denial_and_what_nobody_can_read_are_told_apart() -> None:
    denied = executed(before={"decide_execute": lambda c: c.deny("deny", "p-sec", SECURITY)})
    at = denied.log.index_of(denied.hashes["deny"])
    assert found(denied, DENIED) == [("JOB_DENIED", f"job: denied at index {at}")]
    denied.log.items[at].payload = None
    assert found(denied, DENIED) == [("JOB_DENIED", f"job: denied at index {at}, by an approval that cannot be read")]
