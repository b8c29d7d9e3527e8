"""Attacks that only one condition of one rule stands against; most were found by changing the rule."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.verifier.adversary.test_people import sharing
from tests.verifier.changebuilder import (
    OWNER,
    ROLE_KEYS,
    SECURITY,
    START,
    Change,
    Payload,
    default_people,
    default_policy,
    envelope,
    event_hash,
    receipt_refs,
    ref,
    trust_toml,
)
from tests.verifier.judging import assert_fails, assert_passes, setting, summary, verdict
from tests.verifier.logbuilder import Key, hash_of
from verifier.encodings import decode_b64, decode_b64u
from verifier.errors import Refused
from verifier.note import parse_note
from verifier.report import Status

SECOND_GATEWAY = Key("second gateway")
TWO_GATEWAYS = trust_toml(roles={"gateways": [f'"{ROLE_KEYS["gateways"].did}"', f'"{SECOND_GATEWAY.did}"']})


def codes(change: Change) -> set[str | None]:
    """The reason of every check that failed; the verdict must be FAIL."""
    report = verdict(change)
    assert (report.status, report.exit_code) == (Status.FAIL, 1), summary(report)
    return {check.code for check in report.checks if check.status is Status.FAIL}


# --- people


def test_closing_after_the_key_of_an_approver_was_revoked() -> None:
    """Both approvals to close were signed before the revocation; neither the key nor its approval counts after it."""
    change = Change(before={"decide_close": lambda c: c.revoke("revoke", f"key:{OWNER.did}", OWNER)})
    assert_fails(verdict(change.build()), "KEY_REVOKED")


@pytest.mark.parametrize("key", [Key("log"), Key("witness")], ids=["the-log", "a-witness"])
def test_an_approval_by(key: Key) -> None:
    """Keys that vouch for the log are never a person's, whatever a roster says."""
    people = default_people()
    people[0]["keys"].append(key.did)
    trust = trust_toml(witnesses=(("w.example", Key("witness")),)).replace(b"allow_unwitnessed = false", b"")
    change = Change(people=people, signer={"approve_execute_1": key})
    assert_fails(verdict(change.build(), trust=trust), "SIGNER_NOT_TRUSTED")


def test_a_denial_that_names_only_the_scope() -> None:
    """No token scope and another plan: the scope alone ties it to the job, from the decision on that scope."""

    def deny(change: Change) -> None:
        bound = {"run_id": "run-x", "nonce": "n"}
        change.deny("deny", "p-sec", SECURITY, plan_hash_b64u=hash_of(b"another plan"), binding=bound)

    report = verdict(Change(before={"decide_execute": deny}).build())
    assert_fails(report, "JOB_DENIED")
    denied = [check.full_name for check in report.checks if check.code == "JOB_DENIED"]
    assert denied == ["approvals.not_denied[change.execute]", "approvals.not_denied[ticket.close]"]


def test_a_denial_of_another_job_ends_only_that() -> None:
    def deny(change: Change) -> None:
        scope_hash = hash_of(change.payloads["decide_execute"]["scope"])
        change.deny("deny", "p-sec", SECURITY, scope_hash_b64u=scope_hash)

    first = Change(before={"after": deny}).build()
    assert_passes(verdict(sharing(first).build()))


def test_a_strangers_copy_of_an_approval_gives_no_right_to_revoke_it() -> None:
    stranger = Key("stranger")

    def copy_and_revoke(change: Change) -> None:
        item = change.log.items[change.log.index_of(change.hashes["approve_execute_1"])]
        change.log.add(item.kind, item.payload or b"", refs=item.refs, signer=stranger)
        change.revoke("revoke", f"approval:{item.payload_hash}", stranger)

    assert_passes(verdict(Change(before={"decide_execute": copy_and_revoke}).build()))


def test_a_void_copy_logged_first_does_not_stand_in_front_of_the_simulation() -> None:
    def front_run(change: Change) -> None:
        change.signer["simulation"] = ROLE_KEYS["agents"]
        change.clock += 1
        change._simulation("simulation")
        change.clock -= 1
        del change.signer["simulation"]

    assert_passes(verdict(Change(before={"simulation": front_run}).build()))


# --- policy and time


@pytest.mark.parametrize(
    "rules", [{"models": {"providers": ["*"], "models": ["*"]}}, {"budgets": {"max_calls": 1}}], ids=["models", "budgets"]
)
def test_a_policy_whose_rules_nobody_shows_to_be_kept(rules: Payload) -> None:
    assert_fails(verdict(Change(policy=default_policy() | rules).build()), "POLICY_UNSUPPORTED")


def test_receipts_only_after_the_simulation() -> None:
    """The model was asked, but not before the plan was made."""
    names = ("receipt_1", "receipt_2", "receipt_3")

    def late(change: Change) -> None:
        for name in names:
            change._receipt(name)

    change = Change(skip=set(names), before={"approve_execute_1": late})
    assert "RECEIPTS_MISSING" in codes(change.build())


def test_a_gate_whose_clock_is_a_little_ahead_of_the_auditors() -> None:
    seconds = START.timestamp() - 200
    assert_passes(verdict(Change().build(), at_ns=int(seconds * 1e9)))


# --- executions and closures


def test_executing_under_a_deny() -> None:
    def denied(payload: Payload) -> None:
        payload.update(decision="deny", reasons=[{"code": "PLAN_DENIED", "detail": "test"}])

    assert "DECISION_INVALID" in codes(Change(edit={"decide_execute": denied}).build())


@pytest.mark.parametrize(
    "edit",
    [
        setting(environment="staging"),
        setting(plan_hash_b64u=hash_of(b"another plan")),
        setting(token_scope_hash_b64u=hash_of(b"another job")),
    ],
    ids=["environment", "plan", "token-scope"],
)
def test_an_end_of_another(edit: Any) -> None:
    assert "EXECUTION_MISMATCH" in codes(Change(edit={"end": edit}).build())


def test_beginning_before_the_decision_is_logged() -> None:
    """Who knows the decision's bytes beforehand can name it; the log's order tells."""

    def early(change: Change) -> None:
        approvals = [change.hashes["approve_execute_1"], change.hashes["approve_execute_2"]]
        payload = change.decision("decide_execute", "change.execute", approvals)
        change.hashes["decide_execute"] = hash_of(payload)
        change._begin("begin")
        change.put_decision("decide_execute", payload)

    assert "DECISION_INVALID" in codes(Change(before={"decide_execute": early}, skip={"decide_execute", "begin"}).build())


def test_closing_before_the_decision_is_logged() -> None:
    def early(change: Change) -> None:
        approvals = [change.hashes["approve_close_1"], change.hashes["approve_close_2"]]
        payload = change.decision("decide_close", "ticket.close", approvals)
        change.hashes["decide_close"] = hash_of(payload)
        change.payloads["decide_close"] = payload
        change._closure("closure")
        change.put_decision("decide_close", payload)

    assert "CLOSURE_INVALID" in codes(Change(before={"decide_close": early}, skip={"decide_close", "closure"}).build())


# --- bundles


def invented(change: Change, payload: Payload, signer: Key) -> Payload:
    receipt: Payload = copy.deepcopy(payload["receipts"][0]["payload"]) | {"receipt_id": "invented"}
    payload["receipts"].append(envelope("gateway_receipt", receipt, signer, hash_of(receipt)))
    return receipt


def log_receipt(change: Change, receipt: Payload, signer: Key) -> None:
    refs = {name: ref(value) for name, value in receipt_refs(receipt).items() if value is not None}
    change.log.add("gateway_receipt", receipt, refs=refs, signer=signer)


def test_a_receipt_in_the_bundle_that_is_logged_after_it() -> None:
    kept: list[Payload] = []
    gateway = ROLE_KEYS["gateways"]
    change = Change(
        edit={"bundle": lambda p: kept.append(invented(change, p, gateway))},
        before={"approve_close_1": lambda c: log_receipt(c, kept[0], gateway)},
    )
    assert_fails(verdict(change.build()), "RECEIPT_SET_INCOMPLETE")


def test_a_receipt_in_the_bundle_that_another_gateway_logged() -> None:
    """The same words of two gateways are two receipts."""

    def other(change: Change) -> None:
        item = next(item for item in change.log.items if item.kind == "gateway_receipt")
        receipt = copy.deepcopy(change.receipts[0]["payload"])
        change.receipts[0] = envelope("gateway_receipt", receipt, SECOND_GATEWAY, item.payload_hash)

    change = Change(before={"bundle": other})
    assert_fails(verdict(change.build(), trust=TWO_GATEWAYS), "RECEIPT_SET_INCOMPLETE")


def test_a_receipt_left_out_in_a_log_with_others_before_it() -> None:
    second = sharing(Change().build(), edit={"bundle": lambda p: (p["receipts"].pop(), p["event_chain"].pop())})
    assert_fails(verdict(second.build()), "RECEIPT_SET_INCOMPLETE")


def test_a_bundle_that_names_the_begin_as_the_execution() -> None:
    change = Change()
    change.edit["bundle"] = lambda p: p["metadata"]["change"].update(execution_b64u=change.hashes["begin"])
    assert_fails(verdict(change.build()), "BUNDLE_MISMATCH")


def test_an_approval_of_another_agent_in_the_bundle() -> None:
    def carry(payload: Payload) -> None:
        stranger = Key("another agent").did
        carried = change.approval("carried", "ticket.close", "p-owner")
        payload["human_approval_receipts"] = [carried | {"binding": {}, "agent_did": stranger}]

    change = Change(edit={"bundle": carry})
    assert_fails(verdict(change.build()), "PROOF_BUNDLE_AGENT_MISMATCH")


def test_two_events_of_one_moment_are_in_order() -> None:
    def add(payload: Payload) -> None:
        last = payload["event_chain"][-1]
        event = last | {"event_id": "evt-9", "event_type": "step", "prev_hash_b64u": last["event_hash_b64u"]}
        payload["event_chain"].append(event | {"event_hash_b64u": event_hash(event)})

    assert_passes(verdict(Change(edit={"bundle": add}).build()))


# --- formats


@pytest.mark.parametrize("control", ["\x00", "\x07", "\t", "\r", "\x1f"])
def test_a_note_with_a_control_character(control: str) -> None:
    note = Change().build().log.note()
    with pytest.raises(Refused, match="NOTE_MALFORMED"):
        parse_note(note.replace("log.example", f"log{control}example").encode())


@pytest.mark.parametrize("decode", [decode_b64, decode_b64u])
def test_a_hash_of_another_length(decode: Any) -> None:
    assert decode("AQID", "three bytes", length=3) == b"\x01\x02\x03"
    with pytest.raises(Refused, match="BASE64"):
        decode("AQID", "three bytes", length=32)
    with pytest.raises(Refused, match="BASE64"):
        decode("AQID", "three bytes", length=2)
