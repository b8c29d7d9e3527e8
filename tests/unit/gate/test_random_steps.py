"""Random honest and dishonest steps never reach an allow without all its conditions, as a naive checker sees them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support import keys
from tests.support.payloads import hash_of
from tests.unit.gate.naive import Naive
from tests.unit.gate.story import CLOSE, EXECUTE, PEOPLE, Story, plan_bytes
from trustlog.gate.logged import Logged

SUBJECTS = st.sampled_from(sorted(PEOPLE))
ACTIONS = st.sampled_from([EXECUTE, CLOSE])
SIGNERS = st.sampled_from(
    [keys.TOKEN_ISSUER, keys.POLICY_ISSUER, keys.ROSTER_AUTHORITY, keys.AGENT, keys.ALICE, keys.STRANGER]
)


def missing(story: Story, action: str) -> list[str]:
    return Naive(story).missing(action, story.scope(action), story.request(action).closing_reason)


class Steps(RuleBasedStateMachine):
    """One story, taken anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.allows: list[Logged] = []
        self.begins: list[Logged] = []
        self.ends: list[Logged] = []

    @initialize(stage=st.sampled_from(["start", "simulated", "approved", "executed", "bundled", "closing"]))
    def begin_somewhere(self, stage: str) -> None:
        story = self.story.govern()
        match stage:
            case "start":
                story.issue()
            case "simulated":
                story.up_to_simulation()
            case "approved":
                story.up_to_approvals()
            case "executed":
                self.ends.append(story.up_to_execution())
            case "bundled":
                self.ends.append(story.up_to_execution())
                story.bundle(self.ends[-1])
            case _:
                self.ends.append(story.up_to_execution())
                story.bundle(self.ends[-1])
                story.approve(CLOSE)

    # Honest steps, in any order.

    @rule()
    def call_model(self) -> None:
        self.story.call_model()

    @rule(outcome=st.sampled_from(["success", "success", "failure"]))
    def simulate(self, outcome: str) -> None:
        self.story.simulate(outcome=outcome)

    @precondition(lambda self: self.can_approve())
    @rule(subject=SUBJECTS, action=ACTIONS)
    def approve(self, subject: str, action: str) -> None:
        if "simulation_b64u" in self.story.scope(action):
            self.story.approve(action, subject)

    @precondition(lambda self: self.can_approve())
    @rule(action=ACTIONS)
    def both_approve(self, action: str) -> None:
        if len(self.story.scope(action)) >= 13:
            self.story.approve(action)

    @rule(action=ACTIONS)
    def decide(self, action: str) -> None:
        judgement = self.story.ask(action)
        if judgement.allow:
            logged = self.story.log_decision(action, judgement)
            assert self.story.rejudge(logged) == set()
            self.allows.append(logged)

    @precondition(lambda self: self.allows)
    @rule(which=st.integers(0, 5), about=st.sampled_from([{}, {}, {"environment": "staging"}]))
    def begin(self, which: int, about: dict[str, Any]) -> None:
        begin = self.story.begin(self.allows[which % len(self.allows)], **about)
        if begin.candidate is not None:
            self.begins.append(begin)

    @precondition(lambda self: self.begins)
    @rule(which=st.integers(0, 5), outcome=st.sampled_from(["success", "success", "failure"]))
    def end(self, which: int, outcome: str) -> None:
        end = self.story.end(self.begins[which % len(self.begins)], outcome=outcome)
        if end.candidate is not None:
            self.ends.append(end)

    @precondition(lambda self: self.begins)
    @rule(subject=SUBJECTS, which=st.integers(0, 5))
    def resolve(self, subject: str, which: int) -> None:
        begin = self.begins[which % len(self.begins)]
        self.story.own_log("resolution", PEOPLE[subject][0], begin_b64u=begin.payload_hash)

    @precondition(lambda self: self.ends and self.story.receipts)
    @rule(hide=st.sampled_from([0, 0, 1]), odd=st.sampled_from([{}, {}, {"run_id": "run-2"}, {"job_id": "job-2"}]))
    def make_a_bundle(self, hide: int, odd: dict[str, str]) -> None:
        story, kept = self.story, self.story.receipts
        end = self.ends[-1]
        if story.view.first(end.record.decision_b64u, "gate_decision", story.view.size) is None or len(kept) <= hide:
            return
        story.receipts = kept[: len(kept) - hide]
        events, story.events = story.events, story.events[: len(kept) - hide]
        story.bundle(end, change=story.change(end, **odd))
        story.receipts, story.events = kept, events

    @rule()
    def renew_the_token(self) -> None:
        self.story.issue()

    @rule(seconds=st.sampled_from([1, 60, 700, 4000]))
    def wait(self, seconds: int) -> None:
        self.story.pass_time(seconds)

    @precondition(lambda self: self.allows)
    @rule()
    def close(self) -> None:
        if "bundle_b64u" in self.allows[-1].record.scope:
            self.story.close(self.allows[-1])

    # Dishonest ones.

    @precondition(lambda self: self.can_approve())
    @rule(
        subject=SUBJECTS,
        signer=SUBJECTS,
        action=ACTIONS,
        odd=st.sampled_from(
            [
                {},
                {"approval_type": "auto_approve"},
                {"plan_hash_b64u": hash_of("other")},
                {"scope_hash_b64u": hash_of("other")},
                {"receipt_id": "mine"},
            ]
        ),
    )
    def approve_oddly(self, subject: str, signer: str, action: str, odd: dict[str, Any]) -> None:
        if "simulation_b64u" in self.story.scope(action):
            self.story.log("human_approval_receipt", self.story.approval(subject, action, **odd), PEOPLE[signer][0])

    @precondition(lambda self: self.can_approve())
    @rule(subject=SUBJECTS, readable=st.booleans())
    def deny(self, subject: str, readable: bool) -> None:
        if "simulation_b64u" in self.story.scope(EXECUTE):
            denial = self.story.approval(subject, EXECUTE, approval_type="explicit_deny")
            self.story.log("human_approval_receipt", denial, PEOPLE[subject][0], readable=readable)

    @rule(sort=st.sampled_from(["job", "token", "policy", "alice", "runner"]), signer=SIGNERS, readable=st.booleans())
    def revoke(self, sort: str, signer: Any, readable: bool) -> None:
        story = self.story
        target = {
            "job": f"job:{story.job}",
            "token": f"token:{story.scoped.token_hash}",
            "policy": f"policy:{story.policy_hash}",
            "alice": f"key:{keys.ALICE.did}",
            "runner": f"key:{keys.RUNNER.did}",
        }[sort]
        story.revoke(target, signer, readable=readable)

    @rule(readable=st.booleans())
    def revoke_the_last_approval(self, readable: bool) -> None:
        approvals = list(self.story.view.of_kind("human_approval_receipt", self.story.view.size))
        if approvals:
            self.story.revoke(f"approval:{approvals[-1].payload_hash}", readable=readable)

    @precondition(lambda self: self.can_approve())
    @rule()
    def forge_an_allow(self) -> None:
        if len(self.story.scope(EXECUTE)) == 13:
            forged = self.story.forge_allow(EXECUTE)
            if forged.candidate is not None:
                self.allows.append(forged)

    @precondition(lambda self: self.allows)
    @rule()
    def withdraw(self) -> None:
        self.story.withdraw(self.allows[-1])

    @rule(limit=st.integers(1, 2))
    def change_the_plan(self, limit: int) -> None:
        self.story.plan = plan_bytes(body={"limit": limit * 100})

    @rule()
    def change_the_run(self) -> None:
        self.story.call_model(binding=self.story.bound(run_id="run-2"))
        self.story.receipts.pop()
        self.story.events.pop()

    # What must hold.

    def can_approve(self) -> bool:
        return self.story.view.size > 0

    @invariant()
    def an_allow_has_all_its_conditions(self) -> None:
        if not self.story.token:
            return
        for action in (EXECUTE, CLOSE):
            if self.story.ask(action).allow:
                assert missing(self.story, action) == []


TestRandomSteps = Steps.TestCase
TestRandomSteps.settings = settings(
    max_examples=60, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)


# The checker itself can tell.


def test_the_checker_misses_nothing_on_the_honest_path() -> None:
    story = Story().up_to_approvals()
    assert missing(story, EXECUTE) == []
    story.bundle(story.execute(story.decide(EXECUTE)))
    story.approve(CLOSE)
    assert missing(story, CLOSE) == []


@pytest.mark.parametrize("fault", ["approval", "execution", "denial", "revocation", "run", "unknown", "forged"])
def test_the_checker_sees_what_is_missing(fault: str) -> None:
    story = Story()
    match fault:
        case "approval":
            story.up_to_bundle()
        case "execution":
            story.up_to_approvals()
        case "forged":
            story.up_to_simulation()
            story.bundle(story.execute(story.forge_allow(EXECUTE)))
            story.approve(CLOSE)
        case _:
            story.up_to_closing()
    match fault:
        case "denial":
            story.deny()
        case "revocation":
            story.revoke(f"job:{story.job}")
        case "run":
            story.call_model(binding=story.bound(run_id="run-2"))
        case "unknown":
            story.begin(story.forge_allow(EXECUTE))
    assert missing(story, CLOSE)
