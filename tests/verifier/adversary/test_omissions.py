"""What a decision may not leave out of the entries that it lists, one kind of tie at a time; and what it may."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.verifier.adversary.test_approvals import NOT_CLOSED
from tests.verifier.adversary.test_steps import OTHER_PLAN, view_of
from tests.verifier.changebuilder import (
    OWNER,
    REQUESTER,
    ROLE_KEYS,
    SECURITY,
    Change,
    Payload,
    approval_refs,
    default_people,
    default_policy,
)
from tests.verifier.judging import assert_fails, assert_undecided, verdict
from tests.verifier.logbuilder import Key, hash_of

Act = Callable[[Change], object]
OMITTED = "evidence.nothing_omitted[change.execute] EVIDENCE_INCOMPLETE"
STRANGER = Key("stranger")


def revoke(target: Callable[[Change], str], key: Key) -> Act:
    return lambda c: c.revoke("it", target(c), key)


def supersede(change: Change) -> None:
    newer = default_policy() | {"policy_name": "newer", "supersedes": f"b64u:{change.policy_hash}"}
    change.put_policy("it", newer)


def other_policy(change: Change) -> None:
    change.put_policy("it", default_policy() | {"policy_name": "another"})


def same_policy_again(change: Change) -> None:
    """Another issuer publishes it too; whether anybody trusts them or not, it is the policy's entry."""
    change.signer["it"] = STRANGER
    change.put_policy("it", change.policy)


def next_roster(change: Change) -> None:
    change.put_roster("it", 2, change.hashes["roster"], default_people())


def void_roster(change: Change) -> None:
    change.put_roster("it", 7, change.hashes["roster"], default_people())


def another_jobs(step: Callable[[Change], object], **members: str) -> Act:
    """What another job of the ticket logs, with this one's plan or another."""

    def act(change: Change) -> None:
        other = Change(log=change.log, clock=change.clock, **({"job": "job-8", "run": "run-8"} | members))  # type: ignore[arg-type]
        other.hashes = dict(change.hashes)
        step(other)
        change.hashes["it"] = other.hashes["it"]

    return act


def simulation_of_another_plan(other: Change) -> None:
    other.plan = OTHER_PLAN
    other._simulation("it")


def approval_of_the_scope_alone(change: Change) -> None:
    """It names no job, no plan and no run: only its scope ties it."""
    payload = change.approval("it", "change.execute", "p-sec") | {"plan_hash_b64u": hash_of(b"x"), "binding": {"nonce": "n"}}
    change.put("it", "human_approval_receipt", payload, SECURITY, approval_refs)


def denial_of_the_plan_alone(change: Change) -> None:
    payload = change.approval("it", "change.execute", "p-sec")
    payload |= {"scope_hash_b64u": hash_of(b"x"), "binding": {"nonce": "n"}, "approval_type": "explicit_deny"}
    change.put("it", "human_approval_receipt", payload, SECURITY, approval_refs)


def receipt_of_the_run_alone(change: Change) -> None:
    change.edit["it"] = lambda p: (p.update(receipt_id="it"), p.update(binding={"run_id": change.run}), p.pop("metadata"))
    change._receipt("it")
    change.receipts.pop()
    change.events.pop()


def omitting(act: Act) -> Change:
    """A change in which `act` logs one entry before the decision to execute, which leaves that entry out."""

    def leave_out(change: Change) -> None:
        act(change)
        index = change.log.size - 1
        change.edit["decide_execute"] = lambda p: p.update(evidence=[one for one in p["evidence"] if one["index"] != index])

    return Change(skip=set(NOT_CLOSED), before={"decide_execute": leave_out}).build()


@pytest.mark.parametrize(
    "act",
    [
        lambda c: c.put_token("it", hash_of(b"x").encode().hex()[:64]),
        lambda c: c._receipt("it"),
        receipt_of_the_run_alone,
        approval_of_the_scope_alone,
        denial_of_the_plan_alone,
        another_jobs(lambda c: c._simulation("it")),
        same_policy_again,
        next_roster,
        supersede,
        revoke(lambda c: f"job:{c.job}", ROLE_KEYS["token_issuers"]),
        revoke(lambda c: f"policy:{c.policy_hash}", ROLE_KEYS["policy_issuers"]),
        revoke(lambda c: f"token:{c.token_hash}", ROLE_KEYS["token_issuers"]),
        revoke(lambda c: f"approval:{c.hashes['approve_execute_1']}", OWNER),
        revoke(lambda c: f"key:{ROLE_KEYS['gateways'].did}", ROLE_KEYS["gateways"]),
        revoke(lambda c: f"key:{REQUESTER.did}", REQUESTER),
    ],
    ids=[
        "a token of the job",
        "a receipt of the token scope",
        "a receipt of the run alone",
        "an approval of the scope alone",
        "a denial of the plan alone",
        "another job's simulation of the plan",
        "the policy, logged again",
        "a newer roster",
        "a policy that supersedes it",
        "the job revoked",
        "the policy revoked",
        "the token revoked",
        "an approval revoked",
        "the key of a listed signer revoked",
        "the key of a person who signed nothing revoked",
    ],
)
def test_what_concerns_a_change_must_be_listed(act: Act) -> None:
    assert_fails(verdict(omitting(act)), "EVIDENCE_INCOMPLETE", OMITTED)


@pytest.mark.parametrize("step", ["policy", "roster", "token", "receipt_2", "simulation", "approve_execute_2"])
def test_what_a_decision_rests_on_must_be_listed(step: str) -> None:
    change = Change(skip=set(NOT_CLOSED))

    def leave_out(payload: Payload) -> None:
        index = change.log.index_of(change.hashes[step])
        payload["evidence"] = [one for one in payload["evidence"] if one["index"] != index]

    change.edit["decide_execute"] = leave_out
    assert_fails(verdict(change.build()), "EVIDENCE_INCOMPLETE", OMITTED)


@pytest.mark.parametrize("step", ["begin", "end", "bundle", "decide_execute", "approve_close_1"])
def test_what_a_closing_rests_on_must_be_listed(step: str) -> None:
    change = Change()

    def leave_out(payload: Payload) -> None:
        index = change.log.index_of(change.hashes[step])
        payload["evidence"] = [one for one in payload["evidence"] if one["index"] != index]

    change.edit["decide_close"] = leave_out
    assert_fails(
        verdict(change.build()), "EVIDENCE_INCOMPLETE", "evidence.nothing_omitted[ticket.close] EVIDENCE_INCOMPLETE"
    )


def test_a_resolution_of_the_jobs_execution_must_be_listed() -> None:
    def resolve(change: Change) -> None:
        payload = change.header("resolution", "it") | {"begin_b64u": change.hashes["begin"], "note": "it failed"}
        change.put("it", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})
        index = change.log.size - 1
        change.edit["decide_close"] = lambda p: p.update(evidence=[one for one in p["evidence"] if one["index"] != index])

    report = verdict(Change(before={"decide_close": resolve}).build())
    assert_fails(report, "EVIDENCE_INCOMPLETE", "evidence.nothing_omitted[ticket.close] EVIDENCE_INCOMPLETE")


@pytest.mark.parametrize(
    "act",
    [
        other_policy,
        void_roster,
        another_jobs(simulation_of_another_plan),
        revoke(lambda _: "job:job-8", ROLE_KEYS["token_issuers"]),
        revoke(lambda _: f"policy:{hash_of(b'another')}", ROLE_KEYS["policy_issuers"]),
        revoke(lambda _: f"key:{STRANGER.did}", STRANGER),
        revoke(lambda _: f"token:{'0' * 64}", ROLE_KEYS["token_issuers"]),
    ],
    ids=[
        "another policy",
        "a roster that continues nothing",
        "another job's simulation of another plan",
        "another job revoked",
        "another policy revoked",
        "the key of a stranger revoked",
        "another token revoked",
    ],
)
def test_what_does_not_concern_a_change_may_be_left_out(act: Act) -> None:
    report = verdict(omitting(act))
    assert_undecided(report, "ABSENCE_NOT_PROVEN")


def test_what_stands_at_the_view_was_not_read() -> None:
    """The first entry above the view need not be listed, whatever it is."""

    def late(change: Change) -> None:
        size = change.log.size
        change._receipt("it")
        change.edit["decide_execute"] = view_of(change, size)

    assert_undecided(verdict(Change(skip=set(NOT_CLOSED), before={"decide_execute": late}).build()), "ABSENCE_NOT_PROVEN")
