"""Each condition on a bundle, a closure, a begin and an end, broken by itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.adversary.test_approvals import assert_only_waits, executed
from tests.verifier.adversary.test_steps import allow_again, view_of
from tests.verifier.changebuilder import (
    ROLE_KEYS,
    RUN,
    SECURITY,
    Change,
    Payload,
    at,
    default_policy,
    envelope,
    event_hash,
    receipt_refs,
    shared_refs,
)
from tests.verifier.judging import assert_fails, assert_passes, assert_undecided, setting, verdict
from tests.verifier.logbuilder import Key, hash_of
from tests.verifier.test_attacks import erase

BUNDLE, COMPLETE = "execution.bundle[ticket.close]", "execution.receipts_complete[ticket.close]"
RECEIPTS = ("receipt_1", "receipt_2", "receipt_3")
STRANGER = Key("stranger")


def changed(**members: str) -> Callable[[Payload], object]:
    """An edit of what a bundle says of its change."""
    return lambda p: p["metadata"]["change"].update(members)


# --- what it says of the change


@pytest.mark.parametrize(
    "members",
    [
        {"ticket": "jira.example:CHG-8"},
        {"job_id": "job-8"},
        {"run_id": "run-8"},
        *({name: hash_of(b"x")} for name in ("policy_hash_b64u", "plan_hash_b64u", "token_scope_hash_b64u")),
        *({name: hash_of(b"x")} for name in ("simulation_b64u", "decision_b64u", "execution_b64u")),
        {"change_version": "2"},
    ],
    ids=lambda members: next(iter(members)),
)
def test_a_bundle_of_another(members: dict[str, str]) -> None:
    assert_fails(
        verdict(Change(edit={"bundle": changed(**members)}).build()), "BUNDLE_MISMATCH", f"{BUNDLE} BUNDLE_MISMATCH"
    )


def in_no_order() -> Payload:
    """A policy that lets a ticket be closed whatever was executed."""
    policy = default_policy()
    policy["tools"]["change.execute"].pop("required_before", None)
    return policy


@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_a_bundle_that_does_not_tell_of_the_last_execution(outcome: str) -> None:
    """Executed twice, and closed with the bundle of the first time: it does not tell in which state the system was left."""

    def again(change: Change) -> None:
        first = dict(change.hashes)
        allow_again(change)
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        change.edit["end_2"] = setting(outcome=outcome)
        change._begin("begin")
        change._end("end_2")
        change.hashes |= {step: first[step] for step in ("decide_execute", "begin", "end")}

    change = Change(policy=in_no_order(), before={"bundle": again})
    told = "execution.last_execution[ticket.close] BUNDLE_MISMATCH"
    assert_fails(verdict(change.build()), "BUNDLE_MISMATCH", told)


def test_a_bundle_of_an_execution_that_failed() -> None:
    change = Change(policy=in_no_order(), edit={"end": setting(outcome="failure")})
    assert_fails(verdict(change.build()), "EXECUTION_FAILED", f"{BUNDLE} EXECUTION_FAILED")


def test_a_bundle_of_an_execution_that_somebody_had_to_look_into() -> None:
    def resolve(change: Change) -> None:
        payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "lost"}
        change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})

    change = Change(policy=in_no_order(), before={"end": resolve})
    assert_fails(verdict(change.build()), "EXECUTION_FAILED", f"{BUNDLE} EXECUTION_FAILED")


@pytest.mark.parametrize("step", ["begin", "simulation", "decide_execute"])
def test_a_bundle_whose_execution_is_no_end(step: str) -> None:
    change = Change()
    change.edit["bundle"] = lambda p: p["metadata"]["change"].update(execution_b64u=change.hashes[step])
    assert_fails(verdict(change.build()), "BUNDLE_MISMATCH", f"{BUNDLE} BUNDLE_MISMATCH")


def test_a_bundle_that_is_logged_before_the_end_that_it_names() -> None:
    """The runner tells the agent beforehand which bytes its end will have."""
    known = Change().build().hashes["end"]

    def early(change: Change) -> None:
        change.hashes["end"] = known
        change.clock -= 1
        change._bundle("bundle")
        change.clock += 1

    change = Change(skip={"bundle"}, before={"end": early}).build()
    assert change.hashes["end"] == known
    assert_fails(verdict(change), "BUNDLE_MISMATCH", f"{BUNDLE} BUNDLE_MISMATCH")


def test_a_bundle_that_is_logged_at_the_view() -> None:
    def late(change: Change) -> None:
        change.edit["decide_close"] = view_of(change, change.log.index_of(change.hashes["bundle"]))

    report = verdict(Change(before={"decide_close": late}).build())
    assert_fails(report, "APPROVAL_MISMATCH", f"{BUNDLE} BUNDLE_NOT_LOGGED")


def test_a_bundle_that_was_erased() -> None:
    change = Change(before={"after": lambda c: erase(c, "bundle")}).build()
    assert_undecided(verdict(change), "PAYLOAD_ERASED", f"{BUNDLE} PAYLOAD_ERASED")


def test_a_bundle_without_events_where_nobody_asks_for_model_calls() -> None:
    policy = default_policy()
    policy["enforcement"]["require_gateway_receipts"] = False

    def bare(payload: Payload) -> None:
        del payload["event_chain"], payload["receipts"]
        payload["side_effect_receipts"] = []

    assert_passes(verdict(Change(policy=policy, skip=set(RECEIPTS), edit={"bundle": bare}).build()))


def test_what_only_the_agent_says_is_not_proven() -> None:
    effect = {
        "receipt_version": "1",
        "receipt_id": "effect-1",
        "effect_class": "network_egress",
        "hash_algorithm": "SHA-256",
        "agent_did": ROLE_KEYS["agents"].did,
        "timestamp": at(0),
    }
    report = verdict(Change(edit={"bundle": setting(side_effect_receipts=[effect])}).build())
    assert_passes(report)
    said = "1 receipts or approvals in the bundle carry no signature but the agent's"
    assert said in report.not_proven
    assert not any("in the bundle" in line for line in verdict(Change().build()).not_proven)


# --- its receipts


def event_after(payload: Payload, event_type: str) -> None:
    """One more event, of which there is no receipt."""
    chain = payload["event_chain"]
    event = dict(chain[-1]) | {
        "event_id": "one-more",
        "event_type": event_type,
        "prev_hash_b64u": chain[-1]["event_hash_b64u"],
    }
    event["event_hash_b64u"] = event_hash(event)
    chain.append(event)


def test_a_model_call_of_which_nobody_has_a_receipt() -> None:
    change = Change(edit={"bundle": lambda p: event_after(p, "llm_call")}).build()
    assert_fails(verdict(change), "RECEIPT_SET_INCOMPLETE", f"{BUNDLE} RECEIPT_SET_INCOMPLETE")


def test_an_event_that_is_no_model_call_needs_no_receipt() -> None:
    assert_passes(verdict(Change(edit={"bundle": lambda p: event_after(p, "tool_call")}).build()))


def test_a_receipt_left_out_is_missed_in_the_log() -> None:
    change = Change(edit={"bundle": lambda p: (p["receipts"].pop(), p["event_chain"].pop())}).build()
    assert_fails(verdict(change), "RECEIPT_SET_INCOMPLETE", f"{COMPLETE} RECEIPT_SET_INCOMPLETE")


def test_receipts_without_metadata_carry_no_event_to_compare() -> None:
    assert_passes(verdict(Change(edit=dict.fromkeys(RECEIPTS, lambda p: p.pop("metadata"))).build()))


def test_a_receipt_without_its_event_may_be_of_another_request_hash() -> None:
    """Other proxies hash what they like into their events."""

    def bare(payload: Payload) -> None:
        del payload["metadata"]
        payload["request_hash_b64u"] = hash_of(b"x")

    assert_passes(verdict(Change(edit={"receipt_2": bare}).build()))


def test_a_receipt_whose_event_is_of_another_request() -> None:
    change = Change(edit={"receipt_2": setting(request_hash_b64u=hash_of(b"x"))}).build()
    assert_fails(verdict(change), "RECEIPT_BINDING_MISMATCH", f"{BUNDLE} RECEIPT_BINDING_MISMATCH")


def test_a_receipt_that_carries_another_event_than_it_is_bound_to() -> None:
    change = Change(edit={"receipt_2": lambda p: p["metadata"]["event"].update(event_id="evt-9")}).build()
    assert_fails(verdict(change), "RECEIPT_BINDING_MISMATCH", f"{BUNDLE} RECEIPT_BINDING_MISMATCH")


def test_a_receipt_of_another_policy_in_the_bundle() -> None:
    change = Change(edit={"receipt_2": lambda p: p["binding"].update(policy_hash=hash_of(b"x"))}).build()
    assert_fails(verdict(change), "RECEIPT_SET_INCOMPLETE", f"{BUNDLE} RECEIPT_SET_INCOMPLETE")


def test_a_receipt_in_the_bundle_whose_entry_is_void() -> None:
    """Its entry says that it is of another run than its payload does."""

    def void(change: Change) -> None:
        change._receipt("receipt_4")
        item = change.log.items.pop()
        assert item.payload is not None
        change.log.add("gateway_receipt", item.payload, refs={**item.refs, "run": "run-x"}, signer=ROLE_KEYS["gateways"])

    change = Change(before={"simulation": void}).build()
    assert_fails(verdict(change), "RECEIPT_SET_INCOMPLETE", f"{BUNDLE} RECEIPT_SET_INCOMPLETE")


def tool_receipt(change: Change, **members: Any) -> Payload:
    return {
        "receipt_version": "1",
        "receipt_id": "tool-1",
        "tool_name": "diff",
        "args_hash_b64u": hash_of(b"args"),
        "result_hash_b64u": hash_of(b"result"),
        "hash_algorithm": "SHA-256",
        "agent_did": ROLE_KEYS["agents"].did,
        "timestamp": at(change.clock),
        "latency_ms": 1,
        "binding": {"run_id": RUN},
    } | members


def sealed(payload: Payload) -> Payload:
    return envelope("tool_receipt", payload, ROLE_KEYS["agents"], hash_of(payload))


def test_a_tool_receipt_in_the_bundle_that_is_logged_below_it() -> None:
    receipt = tool_receipt(Change())
    change = Change(edit={"bundle": setting(tool_receipts=[sealed(receipt)])})
    change.before = {
        "bundle": lambda c: c.put("tool", "tool_receipt", copy.deepcopy(receipt), ROLE_KEYS["agents"], receipt_refs)
    }
    assert_passes(verdict(change.build()))


def test_a_tool_receipt_in_the_bundle_that_was_never_logged() -> None:
    change = Change(edit={"bundle": setting(tool_receipts=[sealed(tool_receipt(Change()))])}).build()
    assert_fails(verdict(change), "RECEIPT_SET_INCOMPLETE", f"{BUNDLE} RECEIPT_SET_INCOMPLETE")


def test_a_tool_receipt_of_version_2_exists_in_bundles_only() -> None:
    receipt = tool_receipt(Change(), receipt_version="2", args_salt_b64u=hash_of(b"a"), result_salt_b64u=hash_of(b"b"))
    envelope_2 = sealed(receipt) | {"envelope_version": "2"}
    assert_passes(verdict(Change(edit={"bundle": setting(tool_receipts=[envelope_2])}).build()))


# --- the closure


def test_closing_under_a_deny() -> None:
    denied = setting(decision="deny", reasons=[{"code": "PLAN_DENIED", "detail": "test"}])
    change = Change(edit={"decide_close": denied}).build()
    assert_fails(verdict(change), "DECISION_INVALID", "execution.closure CLOSURE_INVALID")


@pytest.mark.parametrize("member", ["issued_at", "closed_at"])
@pytest.mark.parametrize(("seconds", "is_late"), [(16, False), (76, False), (15.999, True), (76.001, True)])
def test_a_closure_is_made_while_its_decision_lives(member: str, seconds: float, *, is_late: bool) -> None:
    report = verdict(Change(edit={"closure": setting(**{member: at(seconds)})}).build())
    if is_late:
        assert_fails(report, "DECISION_EXPIRED", "execution.closure DECISION_EXPIRED")
    else:
        assert_passes(report)


def test_a_closure_after_a_withdrawal() -> None:
    change = Change(before={"closure": lambda c: c.withdraw("withdraw", "decide_close")}).build()
    assert_fails(verdict(change), "DECISION_WITHDRAWN", "execution.closure DECISION_WITHDRAWN")


def test_a_closure_of_another_run() -> None:
    change = Change(edit={"closure": setting(run_id="run-x")}).build()
    pack = change.pack()
    pack["subject"]["run"] = "run-x"
    assert_fails(verdict(pack), "CLOSURE_INVALID", "execution.closure CLOSURE_INVALID")


def test_a_closure_whose_payload_is_withheld() -> None:
    change = Change().build()
    change.log.items[change.log.index_of(change.hashes["closure"])].payload = None
    assert_fails(verdict(change), "PAYLOAD_MISSING")


def test_a_void_record_of_the_job_is_not_its_closure() -> None:
    def void(change: Change) -> None:
        change.signer["void"] = STRANGER
        change._simulation("void")

    report = verdict(executed(before={"after": void}))
    assert_undecided(report, "ABSENCE_NOT_PROVEN", "execution.closure CLOSURE_MISSING")


def test_a_void_closure_of_another_job_is_not_this_ones() -> None:
    other = Change(job="job-8", run="run-8", signer={"closure": STRANGER}).build()
    assert_only_waits(executed(log=other.log, clock=100))


def test_a_bad_closure_of_another_job_is_not_this_ones() -> None:
    other = Change(job="job-8", run="run-8", edit={"closure": setting(closing_reason="for another reason")}).build()
    assert_passes(verdict(Change(log=other.log, clock=100).build()))


# --- begin and end


@pytest.mark.parametrize(("seconds", "is_late"), [(10, False), (70, False), (9.999, True), (70.001, True)])
def test_a_begin_is_made_while_its_decision_lives(seconds: float, *, is_late: bool) -> None:
    report = verdict(Change(edit={"begin": setting(issued_at=at(seconds))}).build())
    if is_late:
        assert_fails(report, "DECISION_EXPIRED", "execution.begin DECISION_EXPIRED")
    else:
        assert_passes(report)


@pytest.mark.parametrize("step", ["begin", "end"])
@pytest.mark.parametrize(
    "members",
    [
        {"ticket": "jira.example:CHG-8"},
        {"environment": "staging"},
        *({name: hash_of(b"x")} for name in ("policy_hash_b64u", "plan_hash_b64u", "token_scope_hash_b64u")),
    ],
    ids=lambda members: next(iter(members)),
)
def test_an_execution_of_another(step: str, members: dict[str, str]) -> None:
    """A begin that is not the decision's makes its end none either."""
    report = verdict(executed(edit={step: setting(**members)}))
    assert_fails(report, "EXECUTION_MISMATCH", f"execution.{step} EXECUTION_MISMATCH", "execution.end EXECUTION_MISMATCH")


def test_an_execution_of_another_run() -> None:
    report = verdict(executed(edit={"end": setting(run_id="run-x")}))
    assert_fails(report, "EXECUTION_MISMATCH", "execution.end EXECUTION_MISMATCH")


def test_a_begin_after_a_withdrawal() -> None:
    change = executed(before={"begin": lambda c: c.withdraw("withdraw", "decide_execute")})
    assert_fails(
        verdict(change), "DECISION_WITHDRAWN", "execution.begin DECISION_WITHDRAWN", "execution.end DECISION_WITHDRAWN"
    )


def test_an_end_under_a_decision_that_is_not_logged() -> None:
    change = executed(edit={"end": setting(decision_b64u=hash_of(b"none"))})
    assert_fails(verdict(change), "DECISION_NOT_LOGGED", "execution.end DECISION_NOT_LOGGED")


def test_a_decision_whose_payload_is_withheld() -> None:
    change = executed()
    change.log.items[change.log.index_of(change.hashes["decide_execute"])].payload = None
    assert_fails(verdict(change), "PAYLOAD_MISSING", "execution.begin PAYLOAD_UNREADABLE")


@pytest.mark.parametrize(("step", "first"), [("simulation", "EXECUTION_MISMATCH"), ("end_0", "DECISION_NOT_LOGGED")])
def test_an_end_that_names_as_its_begin(step: str, first: str) -> None:
    """Something that is no begin: a simulation, or another end."""

    def another_end(change: Change) -> None:
        if step == "end_0":
            payload = change.header("execution", "end_0") | change.shared()
            payload |= {"phase": "end", "decision_b64u": hash_of(b"x"), "begin_b64u": hash_of(b"x")}
            payload |= {"environment": "production", "outcome": "success"}
            change.put("end_0", "execution", payload, ROLE_KEYS["runners"], shared_refs)

    change = Change(
        before={"end": another_end}, skip={"bundle", "approve_close_1", "approve_close_2", "decide_close", "closure"}
    )
    change.edit["end"] = lambda p: p.update(begin_b64u=change.hashes[step])
    assert_fails(verdict(change.build()), first, "execution.end EXECUTION_MISMATCH")


def test_an_end_that_is_logged_before_its_begin() -> None:
    known = executed().hashes["begin"]

    def early(change: Change) -> None:
        change.hashes["begin"] = known
        change.clock -= 1
        change._end("end")
        change.clock += 1

    change = executed(before={"begin": early}, skip=frozenset({"end"}))
    assert change.hashes["begin"] == known
    assert_fails(verdict(change), "EXECUTION_MISMATCH", "execution.end EXECUTION_MISMATCH")
