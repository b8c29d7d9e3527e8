"""Executions, bundles, closing: what counts as done, and what stands in the way of a closure for ever."""

from __future__ import annotations

import pytest

from tests.support import keys, payloads
from tests.support.payloads import hash_of
from tests.support.trust import trust_policy
from tests.unit.gate.story import CLOSE, DORA, EXECUTE, Story, plan_bytes, policy
from trustlog.formats.timestamp import format_timestamp
from trustlog.gate.execution import executions
from trustlog.gate.job import Job
from trustlog.gate.logged import Logged
from trustlog.gate.pending import find_pending_below
from trustlog.keys.signer import SeedSigner


def job_of(story: Story) -> Job:
    return Job(story.view, story.view.size, story.view.valid("token_issued", "job", story.job, story.view.size)[0])


def close_codes(story: Story, end: Logged) -> set[str]:
    """What stands against closing when everything else is done."""
    story.bundle(end)
    scope = story.scope(CLOSE)
    if len(scope) == 14:
        story.approve(CLOSE)
    return story.codes(CLOSE)


# What is executed and what is closed do not cross.


@pytest.mark.parametrize("meanwhile", ["nothing", "used", "withdrawn", "expired"])
def test_closing_waits_for_an_allow_to_execute_that_may_be_used_yet(meanwhile: str) -> None:
    story = Story()
    end = story.up_to_execution()
    story.approve(EXECUTE)
    allow = story.decide(EXECUTE)
    match meanwhile:
        case "used":
            end = story.execute(allow)
        case "withdrawn":
            story.withdraw(allow)
        case "expired":
            story.pass_time(61)
    assert close_codes(story, end) == ({"DECISION_PENDING"} if meanwhile == "nothing" else set())


@pytest.mark.parametrize("meanwhile", ["nothing", "withdrawn", "expired"])
def test_executing_waits_for_an_allow_to_close_that_may_be_used_yet(meanwhile: str) -> None:
    story = Story().up_to_closing()
    story.approve(EXECUTE)
    allow = story.decide(CLOSE)
    match meanwhile:
        case "withdrawn":
            story.withdraw(allow)
        case "expired":
            story.pass_time(61)
    assert story.codes(EXECUTE) == ({"DECISION_PENDING"} if meanwhile == "nothing" else set())


def test_of_two_allows_that_exclude_each_other_a_gate_releases_the_first_in_the_log() -> None:
    story = Story().up_to_closing()
    story.approve(EXECUTE)
    size, execute, close = story.view.size, story.ask(EXECUTE), story.ask(CLOSE)
    assert (execute.allow, close.allow) == (True, True)
    first = story.log_decision(CLOSE, close)
    second = story.log_decision(EXECUTE, execute, view=story.tree(size))
    assert [{one.code for one in find_pending_below(story.view, allow)} for allow in (first, second)] == [
        set(),
        {"DECISION_PENDING"},
    ]
    assert (story.rejudge(first), story.rejudge(second)) == (set(), set()), "it counts against nobody else's allow"


def test_an_allow_to_execute_does_not_wait_for_another() -> None:
    story = Story().up_to_approvals()
    story.decide(EXECUTE)
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == set()


# A bundle tells of the last execution.


def executed_again(story: Story, *, outcome: str, limit: int = 200) -> Logged:
    """Another plan, or the same one, is executed; its end."""
    story.plan = plan_bytes(body={"limit": limit})
    story.simulate()
    story.approve(EXECUTE)
    return story.end(story.begin(story.decide(EXECUTE)), outcome=outcome)


@pytest.mark.parametrize("limit", [200, 300])
@pytest.mark.parametrize("outcome", ["failure", "success"])
def test_a_bundle_from_before_the_last_execution_closes_nothing(outcome: str, limit: int) -> None:
    story = Story()
    story.bundle(story.up_to_execution())
    executed_again(story, outcome=outcome, limit=limit)
    assert "BUNDLE_MISMATCH" in story.codes(CLOSE)


def test_a_bundle_of_an_execution_that_failed_closes_nothing_where_none_has_to_succeed() -> None:
    story = Story().govern(policy(tools={EXECUTE: {"required_before": None}})).up_to_approvals()
    assert "EXECUTION_FAILED" in close_codes(story, story.end(story.begin(story.decide(EXECUTE)), outcome="failure"))


def test_a_last_execution_that_was_looked_into_is_in_no_bundle() -> None:
    story = Story()
    story.bundle(story.up_to_execution())
    story.approve(EXECUTE)
    begin = story.begin(story.decide(EXECUTE))
    story.own_log("resolution", keys.CAROL, begin_b64u=begin.payload_hash)
    assert "BUNDLE_MISMATCH" in story.codes(CLOSE)


def test_after_a_failure_the_job_closes_with_a_bundle_of_what_put_it_right() -> None:
    story = Story()
    story.bundle(story.up_to_execution())
    executed_again(story, outcome="failure", limit=300)
    assert close_codes(story, executed_again(story, outcome="success")) == set()


def test_an_execution_between_view_and_index_is_the_last_one_too() -> None:
    story = Story().up_to_closing()
    size, judgement = story.view.size, story.ask(CLOSE)
    executed_again(story, outcome="failure", limit=300)
    closing = story.log_decision(CLOSE, judgement, view=story.tree(size))
    assert "EXECUTION_FAILED" in story.rejudge(closing)


# begin and end.


def test_a_begin_without_an_end_stops_closing_and_executing() -> None:
    story = Story()
    end = story.up_to_execution()
    story.approve(EXECUTE)
    story.begin(story.decide(EXECUTE))
    story.approve(EXECUTE)
    assert "EXECUTION_OUTCOME_UNKNOWN" in story.codes(EXECUTE)
    assert "EXECUTION_OUTCOME_UNKNOWN" in close_codes(story, end)


def test_an_end_makes_the_outcome_known() -> None:
    story = Story().up_to_approvals()
    begin = story.begin(story.decide(EXECUTE))
    story.end(begin, outcome="failure")
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == set()


def test_a_resolution_by_another_person_counts_as_failure() -> None:
    story = Story().up_to_approvals()
    begin = story.begin(story.decide(EXECUTE))
    story.own_log("resolution", keys.CAROL, begin_b64u=begin.payload_hash)
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == set()
    assert not any(one.succeeded for one in executions(job_of(story)))
    story.end(begin)
    assert not any(one.succeeded for one in executions(job_of(story)))


def test_a_resolution_below_its_begin_resolves_nothing() -> None:
    story = Story().up_to_approvals()
    decision = story.decide(EXECUTE)
    begin = story.own("execution", decision_b64u=decision.payload_hash, **story.about(), environment="production")
    story.own_log("resolution", keys.CAROL, begin_b64u=payloads.payload_hash(begin))
    story.log("execution", begin)
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == {"EXECUTION_OUTCOME_UNKNOWN"}


@pytest.mark.parametrize("signer", [DORA, keys.STRANGER, keys.RUNNER], ids=["requester", "stranger", "runner"])
def test_a_resolution_by_somebody_else_resolves_nothing(signer: SeedSigner) -> None:
    story = Story().up_to_approvals()
    begin = story.begin(story.decide(EXECUTE))
    story.own_log("resolution", signer, begin_b64u=begin.payload_hash)
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == {"EXECUTION_OUTCOME_UNKNOWN"}


@pytest.mark.parametrize("member", ["ticket", "plan_hash_b64u", "policy_hash_b64u", "token_scope_hash_b64u", "environment"])
def test_an_end_about_something_else_ends_nothing(member: str) -> None:
    story = Story().up_to_approvals()
    begin = story.begin(story.decide(EXECUTE))
    other = {"ticket": "servicedesk.test:CHG-2", "environment": "staging"}.get(member, hash_of("other"))
    story.end(begin, **{member: other})
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == {"EXECUTION_OUTCOME_UNKNOWN", "EXECUTION_MISMATCH"}


def test_an_end_below_its_begin_ends_nothing() -> None:
    story = Story().up_to_approvals()
    decision = story.decide(EXECUTE)
    begin = story.own("execution", decision_b64u=decision.payload_hash, **story.about(), environment="production")
    hash_ = payloads.payload_hash(begin)
    story.own_log(
        "execution",
        phase="end",
        begin_b64u=hash_,
        outcome="success",
        decision_b64u=decision.payload_hash,
        **story.about(),
        environment="production",
    )
    story.log("execution", begin)
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == {"EXECUTION_OUTCOME_UNKNOWN", "EXECUTION_MISMATCH"}


@pytest.mark.parametrize("fault", ["no decision", "a deny", "another action", "withdrawn", "late", "early", "other plan"])
def test_a_begin_that_no_allow_carries_stops_the_job(fault: str) -> None:
    story = Story().up_to_approvals()
    decision = story.decide(EXECUTE)
    match fault:
        case "no decision":
            begin = story.begin(decision, decision_b64u=hash_of("none"))
        case "a deny":
            begin = story.begin(decision, decision_b64u=story.withdraw(decision).payload_hash)
        case "another action":
            close = story.forge_allow_of_close()
            begin = story.begin(decision, decision_b64u=close.payload_hash)
        case "withdrawn":
            story.withdraw(decision)
            begin = story.begin(decision)
        case "late":
            begin = story.begin(decision, issued_at=format_timestamp(decision.record.expires_at.ns + 10**6))
        case "early":
            begin = story.begin(decision, issued_at=format_timestamp(decision.record.decided_at.ns - 10**6))
        case _:
            begin = story.begin(decision, plan_hash_b64u=hash_of("other"))
    assert begin.candidate is not None
    story.end(begin)
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) >= {"EXECUTION_MISMATCH"}
    assert executions(job_of(story)) == []


@pytest.mark.parametrize("edge", ["decided_at", "expires_at"])
def test_a_begin_may_stand_at_either_end_of_its_decisions_life(edge: str) -> None:
    story = Story().up_to_approvals()
    decision = story.decide(EXECUTE)
    story.begin(decision, issued_at=getattr(decision.record, edge).text)
    assert len(executions(job_of(story))) == 1


def test_a_withdrawal_counts_whatever_else_it_says() -> None:
    story = Story().up_to_approvals()
    decision = story.decide(EXECUTE)
    story.withdraw(decision, scope={})
    story.begin(decision)
    assert executions(job_of(story)) == []


def test_a_withdrawal_after_begin_does_not_touch_it() -> None:
    story = Story().up_to_approvals()
    decision = story.decide(EXECUTE)
    begin = story.begin(decision)
    story.withdraw(decision)
    story.end(begin)
    assert [one.succeeded for one in executions(job_of(story))] == [True]


def test_one_allow_starts_one_execution() -> None:
    story = Story().up_to_approvals()
    decision = story.decide(EXECUTE)
    story.begin(decision)
    assert story.begin(decision).void == "CONFLICT"


def test_an_execution_under_an_ill_founded_allow_stops_closing() -> None:
    story = Story().up_to_simulation()
    end = story.execute(story.forge_allow(EXECUTE))
    assert close_codes(story, end) >= {"DECISION_INVALID", "REQUIRED_STEP_MISSING"}


def test_an_ill_founded_execution_beside_a_good_one_stops_closing() -> None:
    story = Story()
    end = story.up_to_execution()
    story.execute(story.forge_allow(EXECUTE))
    assert "DECISION_INVALID" in close_codes(story, end)


# Steps before.


def test_closing_waits_for_a_successful_execution_of_the_same_plan() -> None:
    story = Story().up_to_approvals()
    assert "REQUIRED_STEP_MISSING" in story.codes(CLOSE)
    end = story.end(story.begin(story.decide(EXECUTE)), outcome="failure")
    assert "REQUIRED_STEP_MISSING" in close_codes(story, end)


def test_a_bundle_names_its_execution_also_where_the_policy_does_not_order_them() -> None:
    story = Story().govern(policy(tools={EXECUTE: {"required_before": None}})).up_to_bundle()
    story.approve(CLOSE)
    assert story.codes(CLOSE) == set()


APPROVE = "ticket.approve"
ONE = {"allowed": True, "step_up_approvals": 1, "required_before": [EXECUTE]}


def test_any_other_step_is_done_by_an_allow_that_holds() -> None:
    story = Story().govern(policy(tools={APPROVE: ONE})).up_to_approvals()
    assert story.codes(EXECUTE) == {"REQUIRED_STEP_MISSING"}
    story.approve(APPROVE, "p-alice")
    allow = story.decide(APPROVE)
    assert story.codes(EXECUTE) == set()
    story.withdraw(allow)
    assert story.codes(EXECUTE) == {"REQUIRED_STEP_MISSING"}


def test_an_ill_founded_allow_is_no_step() -> None:
    story = Story().govern(policy(tools={APPROVE: ONE})).up_to_approvals()
    story.forge_allow(APPROVE)
    assert story.codes(EXECUTE) == {"REQUIRED_STEP_MISSING"}


def test_a_ticket_is_closed_by_its_closure_not_by_the_allow() -> None:
    after = {"allowed": True, "step_up_approvals": 1}
    document = policy(tools={"change.archive": after, CLOSE: {"required_before": ["change.archive"]}})
    story = Story().govern(document).up_to_closing()
    story.approve("change.archive", "p-alice")
    assert "REQUIRED_STEP_MISSING" in story.codes("change.archive")
    allow = story.decide(CLOSE)
    assert "REQUIRED_STEP_MISSING" in story.codes("change.archive")
    story.close(allow)
    assert story.codes("change.archive") == {"JOB_ENDED"}


def test_steps_that_wait_for_each_other_are_denied_at_once() -> None:
    a = {"allowed": True, "step_up_approvals": 1, "required_before": ["tool.b"]}
    b = {"allowed": True, "step_up_approvals": 1, "required_before": ["tool.a"]}
    story = Story().govern(policy(tools={"tool.a": a, "tool.b": b})).up_to_simulation()
    for _ in range(20):
        story.forge_allow("tool.a")
        story.forge_allow("tool.b")
    assert "REQUIRED_STEP_MISSING" in story.codes("tool.a")


# The closing reason and the bundle.


def reason(story: Story, text: str) -> set[str]:
    return story.codes(CLOSE, closing_reason=text.format(story.bundle_hash))


@pytest.mark.parametrize(
    "text",
    ["bundle:{}", "done (bundle:{}).", "bundle:{}\n", "see bundle:{}, and bundle:short", "é bundle:{}é", "bundle:bundle:{}"],
)
def test_a_reason_carries_the_bundle_as_one_token(text: str) -> None:
    assert reason(Story().up_to_closing(), text) == set()


@pytest.mark.parametrize(
    "text",
    ["", "done", "bundle: {}", "Bundle:{}", "xbundle:{}", "-bundle:{}", "bundle:{}x", "bundle:{}_", "bundle:{0} bundle:{0}"],
)
def test_any_other_reason_names_no_bundle(text: str) -> None:
    assert "BUNDLE_REFERENCE_MISSING" in reason(Story().up_to_closing(), text)


def test_no_reason_at_all_names_no_bundle() -> None:
    assert "BUNDLE_REFERENCE_MISSING" in Story().up_to_closing().codes(CLOSE, closing_reason=None)


def test_a_bundle_that_is_not_logged_closes_nothing() -> None:
    assert "BUNDLE_NOT_LOGGED" in reason(Story().up_to_closing(), "bundle:" + hash_of("none"))


def test_a_bundle_closes_one_ticket() -> None:
    story = Story().up_to_closing()
    story.own_log("closure", job_id="job-9", bundle_b64u=story.bundle_hash)
    assert story.codes(CLOSE) == {"BUNDLE_ALREADY_USED"}


@pytest.mark.parametrize(
    "name", ["ticket", "run_id", "policy_hash_b64u", "decision_b64u", "execution_b64u", "simulation_b64u"]
)
@pytest.mark.parametrize("value", ["other", None])
def test_the_bundles_change_is_this_one(name: str, value: str | None) -> None:
    story = Story()
    end = story.up_to_execution()
    change = {k: v for k, v in story.change(end, **{name: value}).items() if v is not None}
    story.bundle(end, change=change)
    assert "BUNDLE_MISMATCH" in story.codes(CLOSE)


@pytest.mark.parametrize("value", ["more", None])
def test_the_bundles_change_is_closed(value: str | None) -> None:
    story = Story()
    end = story.up_to_execution()
    story.bundle(end, change=story.change(end, extra=value))
    assert "BUNDLE_MISMATCH" in story.codes(CLOSE)


def test_a_bundle_without_a_change_proves_none() -> None:
    story = Story()
    story.bundle(story.up_to_execution(), metadata={})
    assert "BUNDLE_MISMATCH" in story.codes(CLOSE)


def test_every_receipt_of_the_job_below_the_bundle_is_in_it() -> None:
    story = Story()
    end = story.up_to_execution()
    hidden = story.call_model()
    story.receipts.pop()
    story.events.pop()
    assert hidden.kind == "gateway_receipt"
    assert close_codes(story, end) == {"RECEIPT_SET_INCOMPLETE"}


def test_a_receipt_above_the_bundle_is_not_missing_in_it() -> None:
    story = Story().up_to_closing()
    story.call_model()
    assert story.codes(CLOSE) == set()


def test_a_receipt_of_the_bundle_is_logged_below_it() -> None:
    story = Story()
    end = story.up_to_execution()
    event = payloads.event(story.run, 9, story.events[-1]["event_hash_b64u"], timestamp=story.time)
    story.events.append(event)
    unlogged = {
        **story.receipts[0],
        "receipt_id": "unlogged",
        "binding": story.bound(event_hash_b64u=event["event_hash_b64u"]),
        "metadata": {},
    }
    story.receipts.append(unlogged)
    assert close_codes(story, end) == {"RECEIPT_SET_INCOMPLETE"}
    story.log("gateway_receipt", unlogged)
    assert story.codes(CLOSE) == {"RECEIPT_SET_INCOMPLETE"}


def test_a_model_call_without_its_receipt_leaves_the_set_incomplete() -> None:
    story = Story()
    end = story.up_to_execution()
    story.events.append(payloads.event(story.run, 9, story.events[-1]["event_hash_b64u"], timestamp=story.time))
    assert close_codes(story, end) == {"RECEIPT_SET_INCOMPLETE"}


def test_an_event_of_another_type_needs_no_receipt() -> None:
    story = Story()
    end = story.up_to_execution()
    last = story.events[-1]["event_hash_b64u"]
    story.events.append(payloads.event(story.run, 9, last, "tool_call", timestamp=story.time))
    assert close_codes(story, end) == set()


@pytest.mark.parametrize("member", ["policy_hash", "token_scope_hash_b64u"])
def test_a_receipt_of_another_job_or_policy_is_stolen(member: str) -> None:
    story = Story()
    end = story.up_to_execution()
    event = payloads.event(story.run, 9, story.events[-1]["event_hash_b64u"], timestamp=story.time)
    story.events.append(event)
    stolen = {
        **story.receipts[0],
        "receipt_id": "stolen",
        "binding": story.bound(event_hash_b64u=event["event_hash_b64u"], **{member: hash_of("other")}),
        "metadata": {},
    }
    story.receipts.append(stolen)
    story.log("gateway_receipt", stolen)
    assert close_codes(story, end) == {"RECEIPT_SET_INCOMPLETE"}


@pytest.mark.parametrize("header", ["text", {}, {"event_id": "event-0"}])
def test_a_receipt_that_carries_another_event_than_the_chains_is_not_believed(header: object) -> None:
    story = Story().govern().issue()
    story.call_model(metadata={"event": header})
    story.simulate()
    story.approve(EXECUTE)
    end = story.execute(story.decide(EXECUTE))
    assert close_codes(story, end) == {"RECEIPT_BINDING_MISMATCH"}


def test_a_receipt_of_another_request_than_its_event_is_not_believed() -> None:
    story = Story().govern().issue()
    story.call_model(request_hash_b64u=hash_of("another request"))
    story.simulate()
    story.approve(EXECUTE)
    end = story.execute(story.decide(EXECUTE))
    assert close_codes(story, end) == {"RECEIPT_BINDING_MISMATCH"}


@pytest.mark.parametrize("logged", [True, False])
@pytest.mark.parametrize("bound", [True, False])
def test_a_signed_tool_receipt_of_the_bundle_is_logged_below_it(logged: bool, bound: bool) -> None:
    story = Story()
    end = story.up_to_execution()
    binding = story.bound(event_hash_b64u=story.events[0]["event_hash_b64u"]) if bound else {}
    receipt = payloads.tool_receipt(binding=binding)
    if logged:
        story.log("tool_receipt", receipt)
    story.bundle(end, tool_receipts=[payloads.envelope("tool_receipt", receipt, keys.AGENT)])
    story.approve(CLOSE)
    assert story.codes(CLOSE) == (set() if logged else {"RECEIPT_SET_INCOMPLETE"})


def test_another_agents_bundle_closes_nothing() -> None:
    other = keys.fixture_key("other agent")
    story = Story(trust=trust_policy(roles={"agents": [keys.AGENT.did, other.did]}))
    end = story.up_to_execution()
    receipts = [payloads.envelope("gateway_receipt", receipt, keys.GATEWAY) for receipt in story.receipts]
    bundle = payloads.proof_bundle(
        agent_did=other.did, event_chain=story.events, receipts=receipts, metadata={"change": story.change(end)}
    )
    logged = story.log("proof_bundle", bundle, other)
    assert "BUNDLE_NOT_LOGGED" in story.codes(CLOSE, closing_reason=f"bundle:{logged.payload_hash}")


def test_an_unreadable_bundle_closes_nothing() -> None:
    story = Story()
    end = story.up_to_execution()
    receipts = [payloads.envelope("gateway_receipt", receipt, keys.GATEWAY) for receipt in story.receipts]
    bundle = payloads.proof_bundle(event_chain=story.events, receipts=receipts, metadata={"change": story.change(end)})
    logged = story.withhold("proof_bundle", bundle, keys.AGENT)
    assert "BUNDLE_NOT_LOGGED" in story.codes(CLOSE, closing_reason=f"bundle:{logged.payload_hash}")


def test_a_closed_job_is_over() -> None:
    story = Story().up_to_closing()
    story.close(story.decide(CLOSE))
    assert story.codes("ticket.read") == {"JOB_ENDED"}


def test_closing_under_a_policy_revoked_in_mid_flow_is_denied() -> None:
    story = Story().up_to_closing()
    story.revoke(f"policy:{story.policy_hash}")
    assert story.codes(CLOSE) == {"POLICY_REVOKED"}
