"""What is read after a decision's view: only what has no bearing spares the second judgement and the look for restrictions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.payloads import hash_of
from tests.unit.gate.story import EXECUTE, Story, people, policy
from trustlog.gate.judge import Judgement, judge_logged_allow
from trustlog.gate.logged import Logged
from trustlog.gate.release import restrictions_since
from trustlog.gate.untouched import is_untouched
from trustlog.policy.finding import Finding


def another_job(story: Story) -> None:
    """A whole other change, up to its own allow."""
    kept = story.job, story.run, story.token, story.events, story.receipts
    story.job, story.run, story.events, story.receipts = "job-other", "run-other", [], []
    story.plan = story.plan.replace(b"200", b"300")
    story.up_to_approvals().decide(EXECUTE)
    story.plan = story.plan.replace(b"300", b"200")
    story.job, story.run, story.token, story.events, story.receipts = kept


def damaged(story: Story) -> None:
    story.append_bytes(b"no entry", None)


BETWEEN: dict[str, tuple[Callable[[Story], object], bool]] = {
    "nothing": (lambda _story: None, True),
    "another job of the same ticket": (another_job, False),
    "a receipt of another job": (
        lambda s: s.call_model(binding=s.bound(token_scope_hash_b64u=hash_of("x"), run_id="r")),
        True,
    ),
    "a receipt of the job": (lambda s: s.call_model(), False),
    "a receipt of the job in another run": (lambda s: s.call_model(binding=s.bound(run_id="run-x")), False),
    "another approval": (lambda s: s.approve(EXECUTE, "p-carol"), False),
    "a denial": (lambda s: s.deny(), False),
    "a denial of the plan alone": (
        lambda s: s.deny(scope_hash_b64u=hash_of("x"), binding={"nonce": "n", "run_id": "r"}),
        False,
    ),
    "a revocation of the job": (lambda s: s.revoke(f"job:{s.job}"), False),
    "a revocation of another job": (lambda s: s.revoke("job:other"), False),
    "an unreadable revocation": (lambda s: s.revoke(f"job:{s.job}", readable=False), False),
    "a roster": (lambda s: s.next_roster(people()), False),
    "a policy": (lambda s: s.log("work_policy_contract", policy(policy_name="other")), False),
    "a renewed token": (lambda s: s.issue(), False),
    "a simulation": (lambda s: s.simulate(), False),
    "bytes that are no entry": (damaged, False),
}


BETWEEN["a denial of what an earlier deny was about"] = (
    lambda s: s.deny(
        scope_hash_b64u=next(s.view.of_kind("gate_decision", s.view.size)).refs["scope"],
        plan_hash_b64u=hash_of("another plan"),
        binding={"nonce": "n", "run_id": "r"},
    ),
    False,
)


def ready_to_allow() -> Story:
    """All that an allow needs, after a deny that was about another plan."""
    story = Story().up_to_approvals()
    scope = {**story.scope(EXECUTE), "plan_hash_b64u": hash_of("another plan")}
    story.log_decision(EXECUTE, Judgement((Finding("PLAN_MISSING", "a plan", "none"),), scope=scope))
    return story


def allow_after(between: Callable[[Story], object]) -> tuple[Story, Logged]:
    """An allow that was judged before `between` happened, and was logged after it."""
    story = ready_to_allow()
    token, judgement, size = story.token, story.ask(EXECUTE), story.view.size
    assert isinstance(judgement, Judgement)
    assert judgement.allow
    between(story)
    story.token = token
    return story, story.log_decision(EXECUTE, judgement, view=story.tree(size))


@pytest.mark.parametrize("name", BETWEEN)
def test_what_concerns_the_change_is_judged_again(name: str) -> None:
    between, expected = BETWEEN[name]
    story, allow = allow_after(between)
    assert is_untouched(story.view, allow) == expected


@pytest.mark.parametrize("name", BETWEEN)
def test_what_is_spared_the_judgement_would_have_passed_it(name: str) -> None:
    story, allow = allow_after(BETWEEN[name][0])
    issuance = story.view.valid("token_issued", "job", story.job, story.view.size)[0]
    story.read_late(issuance)
    against = judge_logged_allow(story.view, allow, story.plans)
    assert not (is_untouched(story.view, allow) and against)


def test_some_of_these_would_not_have_passed_it() -> None:
    failing = set()
    for name, (between, _expected) in BETWEEN.items():
        story, allow = allow_after(between)
        story.read_late(story.view.valid("token_issued", "job", story.job, story.view.size)[0])
        if judge_logged_allow(story.view, allow, story.plans):
            failing.add(name)
    assert failing >= {"a denial", "a revocation of the job", "an unreadable revocation", "bytes that are no entry"}


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("comes", ["below the allow", "above the allow"])
def test_what_is_spared_the_look_for_restrictions_has_none(name: str, comes: str) -> None:
    between = BETWEEN[name][0]
    if comes == "below the allow":
        story, allow = allow_after(between)
    else:
        story = ready_to_allow()
        allow = story.decide(EXECUTE)
        between(story)
    assert not (is_untouched(story.view, allow) and restrictions_since(story.view, allow))


def test_some_of_these_restrict_what_is_logged_below_them() -> None:
    restricting = set()
    for name, (between, _expected) in BETWEEN.items():
        story = ready_to_allow()
        allow = story.decide(EXECUTE)
        between(story)
        if restrictions_since(story.view, allow):
            restricting.add(name)
    assert restricting >= {"a denial", "a revocation of the job", "a denial of what an earlier deny was about"}


def test_an_allow_does_not_touch_itself() -> None:
    story = ready_to_allow()
    assert is_untouched(story.view, story.decide(EXECUTE))
