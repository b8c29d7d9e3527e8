"""Each condition under which an approval counts, and a denial, broken by itself.

Most changes here end with the execution, so that nothing but the decision to execute is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier import changebuilder
from tests.verifier.adversary.test_steps import approve_ticket, policy_with_approve, view_of
from tests.verifier.changebuilder import (
    OWNER,
    REQUESTER,
    SECURITY,
    Change,
    Payload,
    approval_refs,
    at,
    default_people,
    default_policy,
    trust_toml,
)
from tests.verifier.judging import assert_fails, assert_passes, assert_undecided, binding, setting, verdict
from tests.verifier.logbuilder import Key, hash_of

NOT_CLOSED = frozenset({"bundle", "approve_close_1", "approve_close_2", "decide_close", "closure"})
COUNTS, ENOUGH = "approvals.counts[change.execute]", "approvals.enough[change.execute]"
DENIED = "approvals.not_denied[change.execute]"
STRANGER = Key("stranger")


def executed(*, skip: frozenset[str] = frozenset(), **options: Any) -> Change:
    """A change that ends with its execution."""
    return Change(skip=set(NOT_CLOSED | skip), **options).build()


def assert_only_waits(change: Change) -> None:
    """Nothing is wrong with it: only the closure is missing."""
    report = verdict(change)
    assert_undecided(report, "ABSENCE_NOT_PROVEN")
    assert {check.code for check in report.checks} == {None, "CLOSURE_MISSING", "ABSENCE_NOT_PROVEN"}


# --- what is listed


def test_a_decision_made_before_there_was_a_roster() -> None:
    change = Change(skip=set(NOT_CLOSED))
    change.before = {"decide_execute": lambda c: c.edit.update(decide_execute=view_of(c, 1))}
    assert_fails(verdict(change.build()), "TOKEN_NOT_LOGGED", "approvals.roster[change.execute] ROSTER_MISSING")


def test_an_approval_of_another_scope_listed_before_enough_others() -> None:
    """What is listed besides does not keep the others from being counted."""

    def besides(change: Change) -> None:
        change._approve("approve_besides", "change.execute")

    change = Change(
        before={"decide_execute": besides},
        edit={
            "approve_besides": setting(scope_hash_b64u=hash_of(b"another scope")),
            "decide_execute": lambda p: p["approvals"].insert(0, change.hashes["approve_besides"]),
        },
    )
    assert_fails(verdict(change.build()), "APPROVAL_MISMATCH")


def test_an_approval_whose_payload_is_withheld() -> None:
    """It counts as a denial, and not as an approval."""
    change = executed()
    change.log.items[change.log.index_of(change.hashes["approve_execute_1"])].payload = None
    assert_fails(verdict(change), "PAYLOAD_MISSING", f"{DENIED} JOB_DENIED", f"{COUNTS} PAYLOAD_UNREADABLE")


def test_an_approval_that_is_nowhere() -> None:
    change = executed(edit={"decide_execute": lambda p: p["approvals"].append(hash_of(b"nowhere"))})
    assert_fails(verdict(change), "EVIDENCE_INCOMPLETE", f"{COUNTS} EVIDENCE_INCOMPLETE")


def test_a_strangers_copy_that_was_logged_first_does_not_stand_in_the_way() -> None:
    def copied(change: Change) -> None:
        payload = change.approval("approve_execute_1", "change.execute", "p-owner") | {"timestamp": at(change.clock + 1)}
        change.put("copy", "human_approval_receipt", payload, STRANGER, approval_refs)

    change = executed(before={"approve_execute_1": copied})
    assert change.hashes["copy"] == change.hashes["approve_execute_1"]
    assert_only_waits(change)


# --- each condition


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (binding(run_id="run-x"), "RUN_MISMATCH"),
        (lambda p: p.pop("binding"), "APPROVAL_MISMATCH"),
        (lambda p: p["binding"].update(nonce=""), "APPROVAL_MISMATCH"),
        (setting(receipt_id="x-trustlog:approval:v1:" + "A" * 22), "APPROVAL_MISMATCH"),
        (setting(receipt_id="trustlog:approval:v1:" + "A" * 23), "APPROVAL_MISMATCH"),
    ],
    ids=["another run", "no binding", "an empty nonce", "more before its id", "more after its id"],
)
def test_an_approval_with(edit: Callable[[Payload], object], code: str) -> None:
    assert_fails(verdict(executed(edit={"approve_execute_1": edit})), code, f"{COUNTS} APPROVAL_MISMATCH")


def test_approvals_of_an_earlier_scope_that_nothing_used() -> None:
    """The plan is simulated again after two people approved: they are of another scope, and no allow used them."""

    def again(change: Change) -> None:
        change._simulation("simulation_2")
        change.hashes["simulation"] = change.hashes["simulation_2"]

    change = Change(before={"decide_execute": again}, skip=set(NOT_CLOSED))
    report = verdict(change.build())
    assert_fails(report, "APPROVALS_INSUFFICIENT", f"{COUNTS} APPROVAL_MISMATCH")
    assert "APPROVAL_ALREADY_USED" not in {check.code for check in report.checks}


def test_closing_with_approvals_of_another_scope_is_no_second_use() -> None:
    """Something was used before, but not these."""
    change = Change(
        edit={step: setting(scope_hash_b64u=hash_of(b"another")) for step in ("approve_close_1", "approve_close_2")}
    )
    report = verdict(change.build())
    assert_fails(report, "APPROVALS_INSUFFICIENT", "approvals.counts[ticket.close] APPROVAL_MISMATCH")
    assert "APPROVAL_ALREADY_USED" not in {check.code for check in report.checks}


def test_an_approval_that_a_later_round_will_use() -> None:
    """Approvals of the second round, listed in the first: used only later, so not used up yet."""

    def second_round(payload: Payload) -> None:
        payload["scope_hash_b64u"] = hash_of(change.scope("change.execute") | {"round": "2"})

    def later(change: Change) -> None:
        approvals = [change.hashes["approve_execute_1"], change.hashes["approve_execute_2"]]
        change.put_decision("decide_2", change.decision("decide_2", "change.execute", approvals))

    change = Change(
        edit={"approve_execute_1": second_round, "approve_execute_2": second_round},
        before={"after": later},
        skip=set(NOT_CLOSED),
    )
    report = verdict(change.build())
    assert_fails(report, "APPROVALS_INSUFFICIENT", f"{COUNTS} APPROVAL_MISMATCH")
    assert "APPROVAL_ALREADY_USED" not in {check.code for check in report.checks}


def test_approvals_of_a_simulation_that_was_never_logged() -> None:
    change = executed(
        skip=frozenset({"simulation"}), before={"approve_execute_1": lambda c: c.hashes.update(simulation=hash_of(b"x"))}
    )
    assert_fails(verdict(change), "SIMULATION_MISSING", f"{COUNTS} SIMULATION_MISSING")


def test_approvals_to_close_with_a_bundle_that_was_never_logged() -> None:
    change = Change(skip={"bundle"}, before={"approve_close_1": lambda c: c.hashes.update(bundle=hash_of(b"x"))})
    assert_fails(verdict(change.build()), "BUNDLE_NOT_LOGGED", "approvals.counts[ticket.close] BUNDLE_NOT_LOGGED")


def test_an_agent_who_is_a_person_of_the_roster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent is no agent that anybody trusts, but a person with a key, who approves what they ask for."""
    trust = trust_toml()
    monkeypatch.setitem(changebuilder.ROLE_KEYS, "agents", OWNER)
    assert_fails(verdict(executed(), trust=trust), "APPROVAL_BY_REQUESTER")


def test_an_approver_who_held_the_agents_key_when_they_approved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The roster in force at the decision says no more that it is theirs."""
    trust, agent, people = trust_toml(), Key("agent of the owner"), default_people()
    monkeypatch.setitem(changebuilder.ROLE_KEYS, "agents", agent)
    next(person for person in people if person["subject"] == "p-owner")["keys"].append(agent.did)
    renew = {"decide_execute": lambda c: c.put_roster("roster_2", 2, c.hashes["roster"], default_people())}
    assert_fails(verdict(executed(people=people, before=renew), trust=trust), "APPROVAL_BY_REQUESTER")


def test_an_approval_that_was_revoked_before_it_was_used() -> None:
    change = executed(
        before={"decide_execute": lambda c: c.revoke("revoke", f"approval:{c.hashes['approve_execute_1']}", OWNER)}
    )
    assert_fails(verdict(change), "APPROVAL_REVOKED", f"{COUNTS} APPROVAL_REVOKED")


def test_an_approval_that_was_revoked_after_it_was_used_for_executing() -> None:
    """It ends the job: what was executed stands, and nothing can be closed any more."""
    revoke = {"bundle": lambda c: c.revoke("revoke", f"approval:{c.hashes['approve_execute_1']}", OWNER)}
    assert_only_waits(executed(before={"after": revoke["bundle"]}))
    assert_fails(
        verdict(Change(before=revoke).build()), "APPROVAL_REVOKED", "policy.job_not_revoked[ticket.close] APPROVAL_REVOKED"
    )


@pytest.mark.parametrize(
    "timestamp", [at(10 + 300), at(10 - 3600)], ids=["300 seconds ahead of the decision", "as old as the policy allows"]
)
def test_the_bounds_of_an_approvals_time_are_within(timestamp: str) -> None:
    assert_only_waits(executed(edit={"approve_execute_1": setting(timestamp=timestamp)}))


@pytest.mark.parametrize(
    ("timestamp", "code"),
    [(at(10 + 300.001), "CLOCK_SKEW"), (at(10 - 3600.001), "APPROVAL_EXPIRED")],
    ids=["a millisecond more ahead", "a millisecond older"],
)
def test_beyond_the_bounds_of_an_approvals_time(timestamp: str, code: str) -> None:
    assert_fails(verdict(executed(edit={"approve_execute_1": setting(timestamp=timestamp)})), code)


# --- how many people, and which


def one_person_policy() -> Payload:
    policy = default_policy()
    for tool in ("change.execute", "ticket.close"):
        rules = policy["tools"][tool]
        rules["step_up_approvals"] = 1
        del rules["two_person_rule"], rules["approver_constraints"]
    return policy


def test_where_one_person_is_enough_nobody_need_know_the_requester() -> None:
    assert_passes(verdict(Change(policy=one_person_policy(), people=default_people()[:2]).build()))


def test_a_requester_whose_time_in_the_roster_is_over() -> None:
    people = default_people()
    people[2]["valid_until"] = at(5)
    assert_fails(verdict(executed(people=people)), "REQUESTER_UNKNOWN", f"{ENOUGH} REQUESTER_UNKNOWN")


def test_two_people_are_told_apart_only_from_a_requester_of_the_roster() -> None:
    people = default_people()[:2]
    assert_fails(verdict(executed(people=people)), "REQUESTER_UNKNOWN", f"{ENOUGH} REQUESTER_UNKNOWN")


def test_a_person_with_both_roles_makes_room_for_another() -> None:
    """Whoever comes first could fill either role; the second only one: there is an assignment."""
    people = default_people()
    people[0]["roles"] = ["service_owner", "platform_security"]
    people[1]["roles"] = ["service_owner"]
    assert_only_waits(executed(people=people))


def test_two_people_who_together_have_a_role_too_few() -> None:
    people = default_people()
    people[0]["roles"] = ["platform_security", "on_call"]
    people[1]["roles"] = ["platform_security"]
    assert_fails(verdict(executed(people=people)), "APPROVAL_ROLE_MISSING", f"{ENOUGH} APPROVAL_ROLE_MISSING")


# --- denials


OTHERWISE = {"plan_hash_b64u": hash_of(b"another plan"), "binding": {"run_id": "run-7", "nonce": "n"}}


def test_a_denial_of_the_very_scope_that_is_decided() -> None:
    deny = {"decide_execute": lambda c: c.deny("deny", "p-sec", SECURITY, **OTHERWISE)}
    assert_fails(verdict(executed(before=deny)), "JOB_DENIED", f"{DENIED} JOB_DENIED")


def test_a_denial_of_a_scope_that_is_decided_only_later() -> None:
    """Nobody had decided the second round when the first was: the denial of it came too early to count there."""

    def deny_second(change: Change) -> None:
        second = hash_of(change.scope("change.execute") | {"round": "2"})
        change.deny("deny", "p-sec", SECURITY, scope_hash_b64u=second, **OTHERWISE)

    def decide_second(change: Change) -> None:
        payload = change.decision("decide_2", "change.execute", [])
        payload |= {"decision": "deny", "reasons": [{"code": "JOB_DENIED", "detail": "test"}]}
        change.put_decision("decide_2", payload)

    assert_only_waits(executed(before={"decide_execute": deny_second, "after": decide_second}))


def test_a_denial_after_everything_was_done() -> None:
    assert_passes(verdict(Change(before={"after": lambda c: c.deny("deny", "p-sec", SECURITY)}).build()))


def test_a_denial_of_another_job_that_names_its_scope_only() -> None:
    """A decision of another job was denied by scope: that ends the other."""

    def deny(change: Change) -> None:
        scope = hash_of(other.payloads["decide_execute"]["scope"])
        change.deny("deny", "p-sec", SECURITY, scope_hash_b64u=scope, **OTHERWISE)

    other = executed(job="job-8", run="run-8")
    assert_only_waits(executed(log=other.log, clock=100, before={"decide_execute": deny}))


# --- which decisions are judged


def test_a_deny_is_no_allow_to_execute_under() -> None:
    denied = setting(decision="deny", reasons=[{"code": "PLAN_DENIED", "detail": "test"}])
    report = verdict(executed(edit={"decide_execute": denied}))
    assert_fails(report, "DECISION_INVALID", "policy.decision DECISION_INVALID", "execution.begin DECISION_INVALID")


def test_executing_under_an_allow_of_another_job() -> None:
    alone = executed(job="job-8", run="run-8", skip=frozenset({"begin", "end"}))
    swap = setting(decision_b64u=alone.hashes["decide_execute"])
    change = executed(log=alone.log, clock=20, edit={"begin": swap, "end": swap})
    assert_fails(verdict(change), "DECISION_INVALID", "execution.begin EXECUTION_MISMATCH")


def test_a_policy_that_was_never_logged() -> None:
    assert_fails(verdict(executed(skip=frozenset({"policy"}))), "POLICY_NOT_FOUND")


def test_every_step_that_a_decision_relies_on_is_judged() -> None:
    """Executing and closing both rely on one allow, closing on a second one too, which asked nobody."""
    policy = policy_with_approve()
    policy["tools"]["ticket.approve"]["required_before"] = ["change.execute", "ticket.close"]
    policy["tools"]["ticket.resolve"] = {"allowed": True, "step_up_approvals": 1, "required_before": ["ticket.close"]}

    def careless(change: Change) -> None:
        change.put_decision("decide_resolve", change.decision("decide_resolve", "ticket.resolve", []))

    change = Change(policy=policy, before={"approve_execute_1": approve_ticket, "bundle": careless})
    assert_fails(
        verdict(change.build()), "APPROVALS_INSUFFICIENT", "approvals.enough[ticket.resolve] APPROVALS_INSUFFICIENT"
    )


def test_a_step_does_not_hold_on_a_step_that_does_not() -> None:
    """The first allow of a step rests on one that asked nobody; the second on one that asked. The second is relied on."""
    policy = policy_with_approve()
    policy["tools"]["ticket.review"] = {"allowed": True, "step_up_approvals": 1, "required_before": ["ticket.approve"]}

    def twice(change: Change) -> None:
        change.put_decision("careless", change.decision("careless", "ticket.review", []))
        approve_ticket(change, step="decide_first")
        change._approve("review 1", "ticket.review")
        change.put_decision("review", change.decision("review", "ticket.review", [change.hashes["review 1"]]))
        approve_ticket(change)

    assert_passes(verdict(Change(policy=policy, before={"approve_execute_1": twice}).build()))


def test_the_requester_does_not_count_as_one_of_many() -> None:
    """Two others approved as well: what is listed must count, all of it."""

    def besides(change: Change) -> None:
        payload = change.approval("besides", "change.execute", "p-req")
        change.put("besides", "human_approval_receipt", payload, REQUESTER, approval_refs)

    change = Change(before={"decide_execute": besides}, skip=set(NOT_CLOSED))
    change.edit["decide_execute"] = lambda p: p["approvals"].append(change.hashes["besides"])
    assert_fails(verdict(change.build()), "APPROVAL_BY_REQUESTER", f"{COUNTS} APPROVAL_BY_REQUESTER")
