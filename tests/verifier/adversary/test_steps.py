"""Steps that a policy demands before others: done too late, for another plan or job, or under an allow that does not hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.changebuilder import SECURITY, Change, Payload, default_plan, default_policy
from tests.verifier.judging import assert_fails, assert_passes, scoped, setting, verdict
from tests.verifier.logbuilder import b64u, mth

OTHER_PLAN = default_plan() | {"body": {"set": {"replicas": 9}}}


def policy_with_approve() -> Payload:
    """Executing needs an allow of `ticket.approve` first, by one person."""
    policy = default_policy()
    policy["tools"]["ticket.approve"] = {"allowed": True, "step_up_approvals": 1, "required_before": ["change.execute"]}
    return policy


def approve_ticket(change: Change, *, approved: bool = True, step: str = "decide_approve") -> None:
    """Log an allow of `ticket.approve`, with its one approval or without."""
    change._approve(f"of {step} 1", "ticket.approve")
    approvals = [change.hashes[f"of {step} 1"]] if approved else []
    change.put_decision(step, change.decision(step, "ticket.approve", approvals))


def three_steps(first: Callable[[Change], object] = approve_ticket, **options: Any) -> Change:
    """A change under that policy, in which `first` runs before executing is approved."""
    before = {"approve_execute_1": first} | options.pop("before", {})
    return Change(policy=policy_with_approve(), before=before, **options)


def allow_again(change: Change) -> None:
    """A second round of executing, approved by two people."""
    change._approve("again 1", "change.execute")
    change._approve("again 2", "change.execute")
    approvals = [change.hashes["again 1"], change.hashes["again 2"]]
    change.put_decision("decide_again", change.decision("decide_again", "change.execute", approvals))


def test_the_steps_in_order() -> None:
    assert_passes(verdict(three_steps().build()))


def test_a_step_that_was_decided_by_nobody() -> None:
    """The allow of the first step asked nobody: what relies on it falls with it."""
    change = three_steps(lambda c: approve_ticket(c, approved=False))
    assert_fails(verdict(change.build()), "APPROVALS_INSUFFICIENT")


def test_of_two_allows_of_a_step_one_that_holds_is_enough() -> None:
    """The first asked nobody, the second did: executing rests on the second."""

    def twice(change: Change) -> None:
        approve_ticket(change, approved=False, step="decide_careless")
        approve_ticket(change)

    report = verdict(three_steps(twice).build())
    assert_passes(report)
    assert {check.name for check in report.checks} >= {"decision[ticket.approve]", "unused_allows"}


def test_a_step_that_was_withdrawn_before_it_was_relied_on() -> None:
    def withdrawn(change: Change) -> None:
        approve_ticket(change)
        change.withdraw("withdraw", "decide_approve")

    assert_fails(verdict(three_steps(withdrawn).build()), "DECISION_WITHDRAWN")


def test_a_step_that_was_withdrawn_after_it_was_relied_on() -> None:
    """Each decision is judged at its own index: what comes above changes nothing of it."""
    change = three_steps(before={"begin": lambda c: c.withdraw("withdraw", "decide_approve")})
    assert_passes(verdict(change.build()))


def test_a_step_that_was_withdrawn_before_another_decision_relied_on_it() -> None:
    """Executed once, withdrawn, and executed again: the second decision rests on nothing."""

    def again(change: Change) -> None:
        change.withdraw("withdraw", "decide_approve")
        allow_again(change)
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        change._begin("begin")
        change._end("end")

    change = three_steps(before={"bundle": again})
    assert_fails(verdict(change.build()), "DECISION_WITHDRAWN")


def test_a_step_that_was_allowed_for_another_plan() -> None:
    """The plan is changed, and simulated again, after the first step; the people who execute approve the new one."""

    def swap(change: Change) -> None:
        approve_ticket(change)
        change.plan = OTHER_PLAN
        change._simulation("simulation")

    change = three_steps(swap)
    assert_fails(verdict(change.build()), "REQUIRED_STEP_MISSING")


def test_a_step_that_was_allowed_in_another_job() -> None:
    first = Change(policy=policy_with_approve(), skip={"begin", "end", "bundle", "decide_close", "closure"})
    first.before = {"approve_execute_1": approve_ticket}
    first.build()
    second = Change(log=first.log, policy=policy_with_approve(), job="job-8", run="run-8", clock=100)
    assert_fails(verdict(second.build()), "REQUIRED_STEP_MISSING")


def test_a_step_that_was_allowed_above_the_view() -> None:
    """The gate allows executing on what it had read, and only then comes the first step."""

    def late(change: Change) -> None:
        change.edit["decide_execute"] = view_of(change, change.log.size)
        approve_ticket(change)

    change = Change(policy=policy_with_approve(), before={"decide_execute": late})
    assert_fails(verdict(change.build()), "REQUIRED_STEP_MISSING")


def view_of(change: Change, size: int) -> Callable[[Payload], None]:
    """An edit of a decision that has read `size` entries."""

    def edit(payload: Payload) -> None:
        payload["view"] = {"size": size, "root_b64u": b64u(mth(change.log.leaves(size)))}
        payload["evidence"] = [seen for seen in payload["evidence"] if seen["index"] < size]

    return edit


def test_a_step_above_the_view_does_not_stand_in_for_one_that_asked_nobody() -> None:
    """Below the view there is only an allow that asked nobody; a good one follows above it."""

    def late(change: Change) -> None:
        change.edit["decide_execute"] = view_of(change, change.log.size)
        approve_ticket(change)

    change = three_steps(
        lambda c: approve_ticket(c, approved=False, step="decide_careless"), before={"decide_execute": late}
    )
    assert_fails(
        verdict(change.build()), "APPROVALS_INSUFFICIENT", "approvals.enough[ticket.approve] APPROVALS_INSUFFICIENT"
    )


def test_a_deny_of_a_step_is_no_step() -> None:
    deny = setting(decision="deny", reasons=[{"code": "PLAN_DENIED", "detail": "test"}])
    assert_fails(verdict(three_steps(edit={"decide_approve": deny}).build()), "REQUIRED_STEP_MISSING")


def test_closing_on_an_execution_that_ended_above_the_view() -> None:
    """The closing is decided on a view from before the execution's end."""

    def early(change: Change) -> None:
        change.edit["decide_close"] = view_of(change, change.log.index_of(change.hashes["end"]))

    report = verdict(Change(before={"decide_close": early}).build())
    assert_fails(report, "REQUIRED_STEP_MISSING")


def test_closing_a_plan_other_than_the_executed_one() -> None:
    """One plan was executed; another is simulated, approved and closed."""

    def swap(change: Change) -> None:
        change.plan = OTHER_PLAN
        change._simulation("simulation")

    assert_fails(verdict(Change(before={"bundle": swap}).build()), "REQUIRED_STEP_MISSING")


def test_executing_on_a_simulation_that_failed_before_another_that_is_not_named() -> None:
    """The scope names the failed simulation; that another of the same plan succeeded does not mend it."""

    def again(change: Change) -> None:
        change._simulation("simulation_2")

    change = Change(edit={"simulation": setting(outcome="failure")}, before={"approve_execute_1": again})
    assert_fails(verdict(change.build()), "SIMULATION_FAILED")


def test_closing_after_a_failed_execution_that_a_resolution_does_not_mend() -> None:
    def resolve(change: Change) -> None:
        payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "it failed"}
        change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})

    change = Change(edit={"end": setting(outcome="failure")}, before={"bundle": resolve})
    assert_fails(verdict(change.build()), "EXECUTION_FAILED")


@pytest.mark.parametrize("step", ["decide_execute", "decide_close"])
def test_a_withdrawal_counts_from_the_decision_to_its_use(step: str) -> None:
    """Withdrawn before it was logged, by its bytes, or after it was used: neither touches it."""
    used = {"decide_execute": "end", "decide_close": "after"}[step]
    assert_passes(verdict(Change(before={used: lambda c: c.withdraw("withdraw", step)}).build()))


def test_the_first_use_of_a_decision_bounds_its_withdrawal() -> None:
    """Begun, withdrawn, and begun again under the same decision: the second begin takes a key that is taken."""

    def again(change: Change) -> None:
        change.withdraw("withdraw", "decide_execute")
        begin = change.hashes["begin"]
        change._begin("begin_2")
        change.hashes["begin"] = begin

    assert_passes(verdict(Change(before={"end": again}).build()))


def test_an_allow_that_names_another_action_than_the_begin_needs() -> None:
    """A begin, its end and the bundle name the allow of the first step, with all members alike."""
    change = three_steps()

    def swap(payload: Payload) -> None:
        payload["decision_b64u"] = change.hashes["decide_approve"]

    change.edit = {"begin": swap, "end": swap, "bundle": lambda p: swap(p["metadata"]["change"])}
    assert_fails(verdict(change.build()), "DECISION_INVALID")


def test_an_allow_of_another_round_than_the_next() -> None:
    assert_fails(verdict(three_steps(edit={"decide_approve": scoped(round="3")}).build()), "ROUND_MISMATCH")


def test_an_execution_of_another_job_is_not_this_ones() -> None:
    """Two jobs of one ticket: what the first executed does not let the second close."""
    first = Change().build()
    second = Change(log=first.log, job="job-8", run="run-8", clock=100, skip={"decide_execute", "begin", "end"})
    report = verdict(second.build())
    assert_fails(report, "REQUIRED_STEP_MISSING")


def test_the_decision_names_an_execution_of_the_bundle_that_failed() -> None:
    """The bundle must name an end of this job under the decision that the end names."""
    change = Change()
    change.edit["bundle"] = lambda p: p["metadata"]["change"].update(execution_b64u=change.hashes["simulation"])
    assert_fails(verdict(change.build()), "BUNDLE_MISMATCH")
