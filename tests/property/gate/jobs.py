"""Several jobs in one log in memory: the same ticket, the same plans, different tokens, policies and requesters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.support import keys
from tests.support.payloads import Payload, hash_of, person
from tests.unit.gate.story import CLOSE, EXECUTE, PEOPLE, Story, people, plan_bytes, policy
from trustlog.records.scope import is_complete_scope

OF_A_JOB: Final = ("job", "run", "plan", "token", "requester", "policy_hash", "receipts", "events", "bundle_hash")

ONE_PERSON: Final = {"step_up_approvals": None, "two_person_rule": None, "approver_constraints": ["service_owner"]}
POLICIES: Final[Mapping[str, Payload]] = {
    "usual": policy(),
    "one person": policy(policy_name="one person", tools={EXECUTE: ONE_PERSON, CLOSE: ONE_PERSON}),
    "three people": policy(policy_name="three people", tools={EXECUTE: {"step_up_approvals": 3}}),
    "two owners": policy(policy_name="two owners", tools={EXECUTE: {"approver_constraints": ["service_owner"] * 2}}),
    "no receipts": policy(
        policy_name="no receipts",
        enforcement={"fail_closed": True, "require_gateway_receipts": False, "require_proof_bundle": True},
    ),
    "short": policy(policy_name="short", tools={EXECUTE: {"approval_ttl_s": 30}, CLOSE: {"approval_ttl_s": 30}}),
    "staging": policy(policy_name="staging", tools={EXECUTE: {"environments": ["staging"]}}),
    "no execution": policy(policy_name="no execution", tools={EXECUTE: {"allowed": False}}),
}


def rosters() -> Mapping[str, list[Payload]]:
    """Rosters that may follow each other, and some that may not: a key moves, two people share one, a machine is among them."""
    alice, bob, carol, dora = people()
    return {
        "usual": [alice, bob, carol, dora],
        "without bob": [alice, carol, dora],
        "alice has two keys": [{**alice, "keys": [*alice["keys"], keys.fixture_key("alice 2").did]}, bob, carol, dora],
        "alice has no role": [{**alice, "roles": []}, bob, carol, dora],
        "bob's time is over": [alice, {**bob, "valid_until": "2020-01-01T00:00:00Z"}, carol, dora],
        "dora may approve": [alice, bob, carol, {**dora, "roles": ["service_owner", "platform_security"]}],
        "bob has alice's key": [carol, {**bob, "keys": alice["keys"]}, dora],
        "without the requester": [alice, bob, carol],
        "the agent is a person": [alice, person("p-agent", keys.AGENT, roles=("platform_security",)), dora],
    }


class Stuck(Exception):
    """What went before stands against this change already: it cannot come as far as the condition that is to be broken."""


class Jobs(Story):
    """A story of several jobs; its members say which one it is at now."""

    def __init__(self) -> None:
        super().__init__(job="job-0", run="run-0")
        self._jobs: dict[str, dict[str, Any]] = {}
        self.policies: list[str] = []  # the hashes of everything published

    @property
    def names(self) -> list[str]:
        """Every job so far."""
        return sorted({*self._jobs, self.job})

    def approval(self, subject: str, action: str, **changes: Any) -> Payload:
        """The approval that a person would sign now. Raises Stuck where there is nothing whole to approve."""
        if not is_complete_scope(self.scope(action)):
            raise Stuck
        return super().approval(subject, action, **changes)

    def begin_job(self, policy_hash: str, requester: str) -> None:
        """Another job, whose token is issued."""
        number = len(self.names)
        self.turn_to(f"job-{number}")
        self.run, self.policy_hash, self.requester = f"run-{number}", policy_hash, requester
        self.issue()

    def turn_to(self, job: str) -> None:
        """The next steps are about `job`."""
        self._jobs[self.job] = {name: getattr(self, name) for name in OF_A_JOB}
        new = {
            "job": job,
            "run": self.run,
            "plan": plan_bytes(),
            "token": "",
            "requester": "p-dora",
            "policy_hash": self.policy_hash,
            "receipts": [],
            "events": [],
            "bundle_hash": "",
        }
        for name, value in self._jobs.get(job, new).items():
            setattr(self, name, value)

    def terms_of(self, job: str) -> dict[str, Any]:
        """What another job has."""
        return self._jobs[job]

    def publish(self, document: Payload) -> str:
        """Publish a policy, which changes no job; its hash."""
        mine = self.policy_hash
        self.publish_policy(document)
        published, self.policy_hash = self.policy_hash, mine
        self.policies.append(published)
        return published

    def get_through(self) -> None:
        """One honest change by people who have nothing to do with what went before: every step is allowed, or this fails."""
        number = len(self.envelopes)
        signers = {role: keys.fixture_key(f"{role} {number}") for role in ("owner", "security", "requester")}
        roles = {"owner": ("service_owner",), "security": ("platform_security",), "requester": ()}
        self.next_roster([person(f"p-{role}-{number}", signer, roles=roles[role]) for role, signer in signers.items()])
        self.begin_job(self.publish(policy(policy_name=f"for the newcomers {number}")), f"p-requester-{number}")
        self.plan = plan_bytes(body={"limit": number})
        self.call_model()
        self.simulate()
        for action in (EXECUTE, CLOSE):
            for role in ("owner", "security"):
                approval = self.approval(f"p-{role}-{number}", action)
                self.log("human_approval_receipt", approval, signers[role])
            judgement = self.ask(action)
            assert judgement.allow, (action, judgement.findings)
            decision = self.log_decision(action, judgement)
            assert self.rejudge(decision) == set()
            if action == EXECUTE:
                self.bundle(self.execute(decision))
            else:
                assert self.close(decision).candidate is not None


def another_persons(subject: str) -> Any:
    """The key of somebody else."""
    others = sorted(set(PEOPLE) - {subject})
    return PEOPLE[others[0]][0]


def nonsense() -> str:
    """A hash of nothing that there is."""
    return hash_of("nothing")
