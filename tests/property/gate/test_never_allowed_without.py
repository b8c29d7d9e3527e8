"""No sequence of honest and dishonest steps reaches an allow without all its conditions; and none stops an honest newcomer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from tests.property.gate.broken import BROKEN
from tests.property.gate.course import Broken, play
from tests.property.gate.jobs import POLICIES, Jobs, Stuck, another_persons, nonsense, rosters
from tests.property.gate.model import MACHINES, Model, missing
from tests.support import keys
from tests.unit.gate.story import CLOSE, EXECUTE, PEOPLE, plan_bytes
from trustlog.errors import Refused
from trustlog.gate.logged import Logged
from trustlog.records.scope import is_complete_scope

MOST_JOBS = 4
SUBJECTS = st.sampled_from(sorted(PEOPLE))
ACTIONS = st.sampled_from([EXECUTE, EXECUTE, CLOSE])
WHICH = st.integers(0, MOST_JOBS)
HIDDEN = st.sampled_from([0, 0, 0, 1])  # how many calls a bundle leaves out
OF_A_BUNDLE = st.sampled_from([{}, {}, {}, {"run_id": "run-9"}, {"job_id": "job-9"}, {"plan_hash_b64u": nonsense()}])
ANYBODY = st.sampled_from(
    [keys.TOKEN_ISSUER, keys.POLICY_ISSUER, keys.ROSTER_AUTHORITY, keys.AGENT, keys.RUNNER, keys.ALICE, keys.STRANGER]
)
PLANS = {
    "usual": plan_bytes(),
    "one byte off": plan_bytes(body={"limit": 201}),
    "staging": plan_bytes(environment="staging"),
    "elsewhere": plan_bytes(environment="laboratory"),
}


class Histories(RuleBasedStateMachine):
    """One log, on which several jobs, people, policies and rosters come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Jobs()
        self.allows: list[tuple[str, Logged]] = []  # with their jobs
        self.begins: list[tuple[str, Logged]] = []
        self.ends: dict[str, Logged] = {}

    @initialize(
        name=st.sampled_from(["usual", "usual", *POLICIES]),
        stage=st.sampled_from(["issued", "simulated", "approved", "executed", "bundled", "closing", "closing"]),
        people=st.sampled_from([("p-alice", "p-bob", "p-carol"), ("p-alice", "p-bob"), ("p-dora", "p-bob"), ("p-alice",)]),
        hide=HIDDEN,
        odd=OF_A_BUNDLE,
    )
    def begin_somewhere(self, name: str, stage: str, people: tuple[str, ...], hide: int, odd: dict[str, str]) -> None:
        story = self.story
        story.govern()
        story.policies.append(story.policy_hash)
        story.policy_hash = story.publish(POLICIES[name]) if name != "usual" else story.policy_hash
        story.issue()
        if stage == "issued":
            return
        self.call_model()
        self.call_model()
        self.simulate("success", "staging" if name == "staging" else "usual")
        if stage == "simulated":
            return
        self.story.approve(EXECUTE, *people)
        if stage == "approved":
            return
        if self._is_allowed(EXECUTE):
            self.begin(0, {})
            self.end(0, "success")
        if stage == "executed" or story.job not in self.ends:
            return
        self.make_a_bundle(hide=hide, odd=odd)
        if stage == "closing":
            self.people_approve(CLOSE)

    # Honest steps, in any order.

    @precondition(lambda self: len(self.story.names) < MOST_JOBS)
    @rule(which=WHICH, requester=st.sampled_from(["p-dora", "p-dora", "p-alice", "p-nobody"]))
    def begin_a_job(self, which: int, requester: str) -> None:
        self.story.begin_job(self.story.policies[which % len(self.story.policies)], requester)

    @rule(which=WHICH)
    def turn_to_another_job(self, which: int) -> None:
        self.story.turn_to(self.story.names[which % len(self.story.names)])

    @rule()
    def call_model(self) -> None:
        self.story.call_model()

    @rule(outcome=st.sampled_from(["success", "success", "failure"]), plan=st.sampled_from(["usual", *PLANS]))
    def simulate(self, outcome: str, plan: str) -> None:
        self.story.plan = PLANS[plan]
        self.story.simulate(outcome=outcome)

    @rule(subject=SUBJECTS, action=ACTIONS)
    def approve(self, subject: str, action: str) -> None:
        if is_complete_scope(self.story.scope(action)):
            self.story.approve(action, subject)

    @rule(action=ACTIONS)
    def people_approve(self, action: str) -> None:
        if is_complete_scope(self.story.scope(action)):
            self.story.approve(action, "p-alice", "p-bob", "p-carol")

    @rule(action=ACTIONS)
    def decide(self, action: str) -> None:
        self._is_allowed(action)

    def _is_allowed(self, action: str) -> bool:
        judgement = self.story.ask(action)
        if judgement.allow:
            assert missing(self.story, action) == []
            logged = self.story.log_decision(action, judgement)
            assert self.story.rejudge(logged) == set()
            self.allows.append((self.story.job, logged))
        return judgement.allow

    @precondition(lambda self: self.allows)
    @rule(which=WHICH, odd=st.sampled_from([{}, {}, {}, {"environment": "staging"}, {"plan_hash_b64u": nonsense()}]))
    def begin(self, which: int, odd: dict[str, Any]) -> None:
        job, allow = self.allows[-1 - which % len(self.allows)]
        self.story.turn_to(job)
        begin = self.story.begin(allow, **{"plan_hash_b64u": allow.record.scope["plan_hash_b64u"], **odd})
        if begin.candidate is not None:
            self.begins.append((job, begin))

    @precondition(lambda self: self.begins)
    @rule(which=WHICH, outcome=st.sampled_from(["success", "success", "failure"]))
    def end(self, which: int, outcome: str) -> None:
        job, begin = self.begins[-1 - which % len(self.begins)]
        self.story.turn_to(job)
        end = self.story.end(begin, outcome=outcome, plan_hash_b64u=begin.record.plan_hash_b64u)
        if end.candidate is not None:
            self.ends[job] = end

    @precondition(lambda self: self.begins)
    @rule(subject=SUBJECTS, which=WHICH)
    def resolve(self, subject: str, which: int) -> None:
        _job, begin = self.begins[-1 - which % len(self.begins)]
        self.story.own_log("resolution", PEOPLE[subject][0], begin_b64u=begin.payload_hash)

    @precondition(lambda self: self.story.job in self.ends and self.story.receipts)
    @rule(hide=HIDDEN, odd=OF_A_BUNDLE)
    def make_a_bundle(self, hide: int, odd: dict[str, str]) -> None:
        story, end = self.story, self.ends[self.story.job]
        decision = story.view.first(end.record.decision_b64u, "gate_decision", story.view.size)
        if decision is None or len(story.receipts) <= hide:
            return
        receipts, events = story.receipts, story.events
        story.receipts, story.events = receipts[: len(receipts) - hide], events[: len(events) - hide]
        change = {**story.change(end), "plan_hash_b64u": decision.record.scope["plan_hash_b64u"]}
        with suppress(Refused):  # no log takes a bundle whose clock went back
            story.bundle(end, change={**change, **odd})
        story.receipts, story.events = receipts, events

    @rule(ttl_s=st.sampled_from([600, 600, 60, 5000]))
    def renew_the_token(self, ttl_s: int) -> None:
        self.story.issue(ttl_s=ttl_s)

    @precondition(lambda self: self.allows)
    @rule(which=WHICH)
    def close(self, which: int) -> None:
        job, allow = self.allows[-1 - which % len(self.allows)]
        if "bundle_b64u" in allow.record.scope:
            self.story.turn_to(job)
            self.story.close(allow)

    @rule(name=st.sampled_from(list(POLICIES)))
    def publish_a_policy(self, name: str) -> None:
        self.story.publish(POLICIES[name])

    @rule(which=WHICH, name=st.sampled_from(list(POLICIES)))
    def supersede_a_policy(self, which: int, name: str) -> None:
        old = self.story.policies[which % len(self.story.policies)]
        self.story.publish({**POLICIES[name], "supersedes": f"b64u:{old}"})

    @rule(name=st.sampled_from(["usual", "usual", *rosters()]))
    def change_the_roster(self, name: str) -> None:
        self.story.next_roster(rosters()[name])

    # Time, which may also go back.

    @rule(seconds=st.sampled_from([1, 20, 60, 700, 4000, -100]))
    def time_passes(self, seconds: int) -> None:
        self.story.pass_time(seconds)

    # Dishonest steps.

    @rule(
        subject=SUBJECTS,
        action=ACTIONS,
        borrowed=st.booleans(),
        odd=st.sampled_from(
            [
                {},
                {"approval_type": "auto_approve"},
                {"plan_hash_b64u": nonsense()},
                {"scope_hash_b64u": nonsense()},
                {"agent_did": keys.fixture_key("another agent").did},
                {"receipt_id": "mine"},
            ]
        ),
    )
    def approve_oddly(self, subject: str, action: str, borrowed: bool, odd: dict[str, Any]) -> None:
        if is_complete_scope(self.story.scope(action)):
            signer = another_persons(subject) if borrowed else PEOPLE[subject][0]
            self.story.log("human_approval_receipt", self.story.approval(subject, action, **odd), signer)

    @rule(subject=SUBJECTS, action=ACTIONS, which=WHICH)
    def approve_with_another_jobs_binding(self, subject: str, action: str, which: int) -> None:
        story = self.story
        if not is_complete_scope(story.scope(action)):
            return
        mine, approval = story.job, story.approval(subject, action)
        story.turn_to(story.names[which % len(story.names)])
        approval["binding"] = story.bound(policy_hash=approval["policy_hash_b64u"])
        story.log("human_approval_receipt", approval, PEOPLE[subject][0])
        story.turn_to(mine)

    @rule(subject=SUBJECTS, readable=st.booleans())
    def deny(self, subject: str, readable: bool) -> None:
        if is_complete_scope(self.story.scope(EXECUTE)):
            denial = self.story.approval(subject, EXECUTE, approval_type="explicit_deny")
            self.story.log("human_approval_receipt", denial, PEOPLE[subject][0], readable=readable)

    @rule(
        sort=st.sampled_from(["job", "token", "policy", "alice", "runner", "approval"]),
        signer=ANYBODY,
        readable=st.booleans(),
    )
    def revoke(self, sort: str, signer: Any, readable: bool) -> None:
        story = self.story
        approvals = list(story.view.of_kind("human_approval_receipt", story.view.size))
        target = {
            "job": f"job:{story.job}",
            "token": f"token:{story.scoped.token_hash}",
            "policy": f"policy:{story.policy_hash}",
            "alice": f"key:{keys.ALICE.did}",
            "runner": f"key:{keys.RUNNER.did}",
            "approval": f"approval:{approvals[-1].payload_hash if approvals else nonsense()}",
        }[sort]
        story.revoke(target, signer, readable=readable)

    @rule(action=ACTIONS)
    def forge_an_allow(self, action: str) -> None:
        if len(self.story.scope(action)) == (13 if action == EXECUTE else 14):
            reason = self.story.request(action).closing_reason
            forged = self.story.forge_allow(action, **({"closing_reason": reason} if action == CLOSE else {}))
            if forged.candidate is not None:
                self.allows.append((self.story.job, forged))

    @precondition(lambda self: self.allows)
    @rule()
    def withdraw(self) -> None:
        self.story.withdraw(self.allows[-1][1])

    @rule(which=WHICH)
    def steal_a_receipt(self, which: int) -> None:
        """A call whose receipt says that it is of this run and of another job's token."""
        story, mine = self.story, self.story.job
        story.turn_to(story.names[which % len(story.names)])
        scope = story.scoped.token_scope_hash_b64u
        story.turn_to(mine)
        story.call_model(binding=story.bound(token_scope_hash_b64u=scope))
        story.receipts.pop()
        story.events.pop()

    @rule()
    def call_in_another_run(self) -> None:
        self.story.call_model(binding=self.story.bound(run_id="run-9"))
        self.story.receipts.pop()
        self.story.events.pop()

    # One step from an allow, wherever the history has come to.

    @rule(broken=st.sampled_from([one for one in BROKEN if one.governed]))
    def all_conditions_but_one(self, broken: Broken) -> None:
        """A new job, complete but for one condition: denied, whatever went before."""
        self._turn_to_a_new_job()
        with suppress(Stuck, Refused):
            broken.play(self.story)
            assert not broken.ask(self.story).allow, broken.name

    @rule(action=ACTIONS)
    def all_conditions(self, action: str) -> None:
        """A new job, as it should be; what went before may stand against it."""
        self._turn_to_a_new_job()
        with suppress(Stuck):
            play(self.story, action, {})
            self._is_allowed(action)

    def _turn_to_a_new_job(self) -> None:
        number = len(self.story.names)
        self.story.turn_to(f"job-{number}")
        self.story.run = f"run-{number}"

    # What must hold.

    @invariant()
    def an_allow_has_all_its_conditions(self) -> None:
        if not self.story.token:
            return
        for action in (EXECUTE, CLOSE):
            if self.story.ask(action).allow:
                assert missing(self.story, action) == []

    def teardown(self) -> None:
        """Whatever was done to others, an honest change gets through, unless a key that it needs was revoked."""
        model = Model(self.story)
        if self.story.policies and not any(model.is_revoked(f"key:{did}", len(model.records)) for did in MACHINES):
            self.story.get_through()


# Short histories stand one fault away from an allow; long ones mix many.
@pytest.mark.slow
@pytest.mark.parametrize(("steps", "share"), [(5, 4), (24, 1)], ids=["short", "long"])
@pytest.mark.timeout(0)
def test_never_allowed_without_all_its_conditions(steps: int, share: int, histories: int) -> None:
    """The long form: ``python -m pytest -p no:xdist tests/property/gate --histories 5000`` (or ``TRUSTLOG_HISTORIES``)."""
    tried = settings(
        max_examples=histories * share,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(Histories, settings=tried)
