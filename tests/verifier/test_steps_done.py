"""What counts as done for a policy, told by its own check: of which job and plan, how it ended, and below which view."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.verifier.adversary.test_progress import NOT_DONE
from tests.verifier.adversary.test_steps import OTHER_PLAN, view_of
from tests.verifier.changebuilder import SECURITY, Change, default_plan, default_policy
from tests.verifier.judging import setting, verdict

Act = Callable[[Change], object]
STEPS_TO_CLOSE = "policy.required_steps[ticket.close]"
DONE = "policy.required_steps[change.execute] None"


def told(change: Change) -> set[str]:
    return {f"{check.full_name} {check.code}" for check in verdict(change.build()).checks}


def simulate(change: Change, *, job: str = "job-7", plan: bool = True, outcome: str = "success") -> None:
    """One more simulation, of this job and plan or of others, that nothing names."""
    other = Change(log=change.log, job=job, run=f"run of {job}".replace(" ", "-"), clock=change.clock)
    other.plan = change.plan if plan else OTHER_PLAN
    other.edit["simulation"] = lambda payload: payload.update(outcome=outcome, salt="A" * 22)
    other.hashes = dict(change.hashes)
    other._simulation("simulation")


@pytest.mark.parametrize(
    ("act", "is_done"),
    [
        (simulate, True),
        (lambda c: simulate(c, job="job-8"), False),
        (lambda c: simulate(c, plan=False), False),
        (lambda c: simulate(c, outcome="failure"), False),
    ],
    ids=["this job's", "another job's", "another plan's", "one that failed"],
)
def test_a_simulation_that_counts_as_done(act: Act, *, is_done: bool) -> None:
    """Whether it is the one that the scope names is another check."""
    found = told(Change(skip={"simulation"}, before={"simulation": act}))
    assert (DONE in found) == is_done
    assert (NOT_DONE in found) == (not is_done)


@pytest.mark.parametrize(("above", "is_done"), [(0, False), (1, True)])
def test_a_simulation_at_the_view_is_not_done_below_it(above: int, *, is_done: bool) -> None:
    def read_less(change: Change) -> None:
        size = change.log.index_of(change.hashes["simulation"]) + above
        change.edit["decide_execute"] = view_of(change, size)

    assert (DONE in told(Change(before={"decide_execute": read_less}))) == is_done


def close_before_executing() -> Change:
    policy = default_policy()
    policy["tools"]["ticket.close"]["required_before"] = ["change.execute"]
    return Change(policy=policy)


def test_a_ticket_that_is_closed_only_afterwards_was_not_closed_before() -> None:
    assert NOT_DONE in told(close_before_executing())


@pytest.mark.parametrize(("above", "is_done"), [(0, False), (1, True)])
def test_a_closure_at_the_view_is_not_done_below_it(above: int, *, is_done: bool) -> None:
    """Executed a second time, after the closure, on a view that ends with it or just before."""

    def again(change: Change) -> None:
        size = change.log.index_of(change.hashes["closure"]) + above
        change.edit["decide_again"] = view_of(change, size)
        change.put_decision("decide_again", change.decision("decide_again", "change.execute", []))
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        change._begin("begin_2")

    change = close_before_executing()
    change.before = {"after": again}
    assert (DONE in told(change)) == is_done


def failing(change: Change) -> None:
    change.edit["end"] = setting(outcome="failure")


@pytest.mark.parametrize(("above", "code"), [(0, "REQUIRED_STEP_MISSING"), (1, "EXECUTION_FAILED")])
def test_an_end_that_failed_is_told_where_the_gate_had_read_it(above: int, code: str) -> None:
    def read_less(change: Change) -> None:
        size = change.log.index_of(change.hashes["end"]) + above
        change.edit["decide_close"] = view_of(change, size)

    change = Change(before={"end": failing, "decide_close": read_less})
    assert f"{STEPS_TO_CLOSE} {code}" in told(change)


@pytest.mark.parametrize(("above", "code"), [(0, "REQUIRED_STEP_MISSING"), (1, None)])
def test_an_end_at_the_view_is_not_done_below_it(above: int, code: str | None) -> None:
    def read_less(change: Change) -> None:
        size = change.log.index_of(change.hashes["end"]) + above
        change.edit["decide_close"] = view_of(change, size)

    assert f"{STEPS_TO_CLOSE} {code}" in told(Change(before={"decide_close": read_less}))


def test_an_execution_of_another_plan_is_not_this_ones() -> None:
    """It succeeded; the plan that is closed was simulated, and never executed."""

    def swap(change: Change) -> None:
        change.plan = default_plan() | {"body": {"set": {"replicas": 9}}}
        change._simulation("simulation")

    assert f"{STEPS_TO_CLOSE} REQUIRED_STEP_MISSING" in told(Change(before={"bundle": swap}))


def test_an_outcome_that_somebody_had_to_look_into_is_no_success() -> None:
    def resolve(change: Change) -> None:
        payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "lost"}
        change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})

    assert f"{STEPS_TO_CLOSE} EXECUTION_FAILED" in told(Change(before={"end": resolve}))
    assert f"{STEPS_TO_CLOSE} None" in told(Change(before={"after": resolve}))
