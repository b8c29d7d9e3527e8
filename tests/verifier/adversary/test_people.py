"""Approvals that should not count: moved, replayed, revived, borrowed, signed by nobody."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.verifier.changebuilder import (
    OWNER,
    REQUESTER,
    SECURITY,
    Change,
    Payload,
    approval_refs,
    at,
    default_people,
    default_plan,
    default_policy,
    ref,
)
from tests.verifier.judging import assert_fails, setting, verdict
from tests.verifier.logbuilder import ALPHABET, Key, hash_of, sha

SMALL_ORDER = bytes([1]) + bytes(31)  # the neutral element: with R the same and S zero, lax rules accept any message
SIGNATURE_OF_NOBODY = SMALL_ORDER + bytes(32)


def did_of(public: bytes) -> str:
    number, digits = int.from_bytes(b"\xed\x01" + public, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        digits = ALPHABET[rest] + digits
    return "did:key:z" + digits


def sharing(first: Change, **members: Any) -> Change:
    """Another change in the same log, of another ticket and job unless told otherwise."""
    told: dict[str, Any] = {"ticket": "jira.example:CHG-8", "job": "job-8", "run": "run-8", "clock": 100.0} | members
    other = Change(log=first.log, **told)
    other.plan = default_plan() | {"ticket": other.ticket}
    return other


def take_approvals(first: Change) -> Any:
    return setting(approvals=[first.hashes["approve_execute_1"], first.hashes["approve_execute_2"]])


def test_approvals_moved_to_another_ticket() -> None:
    first = Change().build()
    second = sharing(first, skip={"approve_execute_1", "approve_execute_2"}, edit={"decide_execute": take_approvals(first)})
    assert_fails(verdict(second.build()), "APPROVALS_INSUFFICIENT", "APPROVAL_MISMATCH")


def test_approvals_moved_to_another_job_of_the_ticket() -> None:
    first = Change().build()
    second = sharing(
        first,
        ticket=first.ticket,
        skip={"approve_execute_1", "approve_execute_2"},
        edit={"decide_execute": take_approvals(first)},
    )
    assert_fails(verdict(second.build()), "APPROVALS_INSUFFICIENT", "APPROVAL_MISMATCH")


def test_approvals_moved_to_another_run() -> None:
    change = Change(edit={"decide_execute": setting(run_id="run-x")})
    assert_fails(verdict(change.build()), "RUN_MISMATCH")


def test_approvals_kept_while_the_plan_is_swapped() -> None:
    """The new plan is simulated and in the pack; only nobody approved it."""

    def swap(change: Change) -> None:
        change.plan = default_plan() | {"body": {"set": {"replicas": 9}}}
        change._simulation("simulation")

    assert_fails(verdict(Change(before={"decide_execute": swap}).build()), "APPROVALS_INSUFFICIENT", "APPROVAL_MISMATCH")


def test_approvals_kept_while_the_plan_is_simulated_again() -> None:
    def again(change: Change) -> None:
        change._simulation("simulation_2")
        change.hashes["simulation"] = change.hashes["simulation_2"]

    assert_fails(verdict(Change(before={"decide_execute": again}).build()), "APPROVALS_INSUFFICIENT", "APPROVAL_MISMATCH")


def test_an_approval_replayed_in_the_next_round() -> None:
    """The first allow failed; the second asks nobody again."""

    def again(change: Change) -> None:
        approvals = [change.hashes["approve_execute_1"], change.hashes["approve_execute_2"]]
        change.put_decision("decide_again", change.decision("decide_again", "change.execute", approvals))
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        change._begin("begin")
        change._end("end")

    change = Change(before={"bundle": again}, edit={})
    change.edit["end"] = lambda p: p.update(outcome="failure") if "decide_again" not in change.hashes else None
    assert_fails(verdict(change.build()), "APPROVALS_INSUFFICIENT", "APPROVAL_ALREADY_USED")


def test_a_renewed_token_does_not_revive_a_revoked_approval() -> None:
    def renew(change: Change) -> None:
        change.revoke("revoke", f"approval:{change.hashes['approve_execute_1']}", OWNER)
        change.put_token("token_2", sha(b"renewed").hex())

    change = Change(before={"decide_execute": renew}, edit={"decide_execute": setting(token_hash=sha(b"renewed").hex())})
    assert_fails(verdict(change.build()), "APPROVAL_REVOKED")


def test_a_renewed_token_does_not_revive_an_expired_approval() -> None:
    def renew(change: Change) -> None:
        change.clock += 800
        change.put_token("token_2", sha(b"renewed").hex())

    policy = default_policy()
    policy["tools"]["change.execute"]["approval_ttl_s"] = 600
    change = Change(
        policy=policy,
        before={"decide_execute": renew},
        edit={"decide_execute": setting(token_hash=sha(b"renewed").hex())},
    )
    assert_fails(verdict(change.build()), "APPROVAL_EXPIRED")


def test_a_denial_by_timeout_counted_as_present() -> None:
    change = Change(edit={"approve_execute_1": setting(approval_type="timeout_deny")})
    assert_fails(verdict(change.build()), "JOB_DENIED")


def test_an_approval_by_a_small_order_key() -> None:
    """A signature that lax rules accept for any message, under a key in the roster."""
    did = did_of(SMALL_ORDER)
    people = default_people()
    people[0]["keys"].append(did)

    def nobody(change: Change) -> None:
        payload = change.approval("approve_execute_1", "change.execute", "p-owner")
        refs = {name: ref(value) for name, value in approval_refs(payload).items() if value}
        change.hashes["approve_execute_1"] = change.log.add(
            "human_approval_receipt", payload, refs=refs, signer=OWNER, signature=SIGNATURE_OF_NOBODY, did=did
        )

    change = Change(people=people, skip={"approve_execute_1"}, before={"approve_execute_1": nobody})
    assert_fails(verdict(change.build()), "SIGNATURE_INVALID")


def test_an_approval_with_the_signature_of_another_approval() -> None:
    def graft(change: Change) -> None:
        genuine = change.approval("genuine", "ticket.close", "p-owner")
        payload = change.approval("approve_execute_1", "change.execute", "p-owner")
        refs = {name: ref(value) for name, value in approval_refs(payload).items() if value}
        change.hashes["approve_execute_1"] = change.log.add(
            "human_approval_receipt",
            payload,
            refs=refs,
            signer=OWNER,
            signature=OWNER.sign(hash_of(genuine).encode()),
        )

    change = Change(skip={"approve_execute_1"}, before={"approve_execute_1": graft})
    assert_fails(verdict(change.build()), "SIGNATURE_INVALID")


def test_the_requester_approves_with_a_second_key() -> None:
    second = Key("second key of the requester")
    people = default_people()
    people[2]["keys"].append(second.did)
    change = Change(
        people=people,
        signer={"approve_execute_1": second},
        edit={"approve_execute_1": setting(approver_subject="p-req")},
    )
    assert_fails(verdict(change.build()), "APPROVAL_BY_REQUESTER")


def test_the_requester_comes_back_under_another_subject() -> None:
    """A second roster gives the requester's key to a new person: keys belong to one subject for ever."""
    people = copy.deepcopy(default_people())
    people[2]["subject"] = "p-new"

    def rename(change: Change) -> None:
        change.put_roster("roster_2", 2, change.hashes["roster"], people)

    change = Change(
        before={"approve_execute_1": rename},
        signer={"approve_execute_1": REQUESTER},
        edit={"approve_execute_1": setting(approver_subject="p-new")},
    )
    assert_fails(verdict(change.build()), "ROSTER_NOT_CONTINUING")


def test_one_person_listed_as_two_with_one_identity() -> None:
    people = default_people()
    people[1]["idp"] = people[0]["idp"]
    assert_fails(verdict(Change(people=people).build()), "ROSTER_MISSING")


def test_a_role_that_was_taken_away_before_the_decision() -> None:
    people = default_people()
    people[1]["roles"] = ["service_owner"]

    def demote(change: Change) -> None:
        change.put_roster("roster_2", 2, change.hashes["roster"], people)

    assert_fails(verdict(Change(before={"decide_execute": demote}).build()), "APPROVAL_ROLE_MISSING")


def test_a_role_borrowed_from_a_person_who_did_not_approve() -> None:
    """The owner approves twice, the second time in the name of security."""
    change = Change(signer={"approve_execute_2": OWNER})
    assert_fails(verdict(change.build()), "APPROVAL_NOT_PERMITTED")


def test_a_person_whose_time_has_not_come() -> None:
    people = default_people()
    people[0]["valid_from"] = at(5000)
    assert_fails(verdict(Change(people=people).build()), "APPROVAL_NOT_PERMITTED")


def test_an_approver_who_joined_after_approving() -> None:
    people = default_people()

    def join(change: Change) -> None:
        change.put_roster("roster_2", 2, change.hashes["roster"], people)

    change = Change(people=people[1:], before={"decide_execute": join})
    assert_fails(verdict(change.build()), "SIGNER_NOT_TRUSTED")


def test_a_decision_on_an_old_roster() -> None:
    """A later roster is in the log, and the gate names the one before it."""

    def replace(change: Change) -> None:
        change.put_roster("roster_2", 2, change.hashes["roster"], default_people())

    change = Change(before={"decide_execute": replace})
    change.edit["decide_execute"] = lambda p: p.update(roster_b64u=change.hashes["roster"])
    assert_fails(verdict(change.build()), "ROSTER_NOT_CONTINUING")


def test_a_roster_signed_by_a_person() -> None:
    assert_fails(verdict(Change(signer={"roster": OWNER}).build()), "ROSTER_MISSING")


@pytest.mark.parametrize("step", ["approve_close_1", "approve_close_2"])
def test_a_denial_of_the_closing_counted_as_present(step: str) -> None:
    change = Change(edit={step: setting(approval_type="explicit_deny")})
    assert_fails(verdict(change.build()), "JOB_DENIED")


def test_an_approval_to_close_logged_before_the_bundle() -> None:
    known = Change().build().hashes["bundle"]

    def early(change: Change) -> None:
        change.hashes["bundle"] = known
        change._approve("approve_close_1", "ticket.close")
        change._approve("approve_close_2", "ticket.close")

    change = Change(before={"bundle": early}, skip={"approve_close_1", "approve_close_2"})
    assert_fails(verdict(change.build()), "APPROVAL_MISMATCH")


def test_an_approval_taken_from_inside_a_bundle() -> None:
    """A bundle's approvals carry the agent's signature alone: none of them is evidence of a person."""

    def invent(payload: Payload) -> None:
        invented = change.approval("invented", "ticket.close", "p-owner")
        invented["binding"].pop("token_scope_hash_b64u")
        payload["human_approval_receipts"] = [invented | {"binding": {"run_id": change.run}}]

    change = Change(edit={"bundle": invent}, skip={"approve_close_1"})
    assert_fails(verdict(change.build()), "APPROVALS_INSUFFICIENT")


def test_a_resolution_by_the_requester_does_not_end_the_waiting() -> None:
    def resolve(change: Change) -> None:
        payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "looks fine"}
        change.put("resolve", "resolution", payload, REQUESTER, lambda p: {"target": p["begin_b64u"]})

    change = Change(skip={"end"}, before={"bundle": resolve})
    assert_fails(verdict(change.build()), "EXECUTION_OUTCOME_UNKNOWN")


def test_an_outcome_given_up_as_lost_is_not_success_afterwards() -> None:
    """What was resolved ended with failure, whatever `end` turns up later."""

    def resolve(change: Change) -> None:
        payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "lost"}
        change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})

    assert_fails(verdict(Change(before={"end": resolve}).build()), "EXECUTION_FAILED")
