"""The token, the policy and the plan: whose job it is, what it may do, and on which bytes."""

from __future__ import annotations

import pytest

from tests.support import keys
from tests.support.payloads import hash_of, payload_hash
from tests.support.trust import trust_policy
from tests.unit.gate.story import CLOSE, EXECUTE, TICKET, Story, fingerprint, plan_bytes, policy
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.timestamp import format_timestamp
from trustlog.records.token_scope import compute_token_scope_hash
from trustlog.tokens.scoped_token import issuance_members, mint_token

# The token.


def test_a_token_that_is_not_logged_does_not_count() -> None:
    story = Story().up_to_approvals()
    story.issue(log=False)
    assert story.codes(EXECUTE) == {"TOKEN_NOT_LOGGED"}
    assert story.codes("ticket.read") == {"TOKEN_NOT_LOGGED"}


@pytest.mark.parametrize("token", ["", "a.b.c", "x" * 9000, "é.é.é", "\ud800.a.b", "a.b.c.d"])
def test_what_is_no_token_is_no_token(token: str) -> None:
    assert Story().up_to_approvals().codes(EXECUTE, token=token) == {"TOKEN_MALFORMED"}


def test_a_token_with_another_signature_is_not_the_one_that_was_issued() -> None:
    """The hash that is logged is of the whole token, so another signature is another token."""
    story = Story().up_to_approvals()
    head, _, _ = story.token.rpartition(".")
    forged = f"{head}.{encode_b64u(keys.AGENT.sign(head.encode()))}"
    assert story.codes(EXECUTE, token=forged) == {"TOKEN_NOT_LOGGED"}


def test_an_issuance_of_a_token_that_somebody_else_signed_is_not_believed() -> None:
    story = Story().govern()
    story.token = mint_token(
        keys.AGENT,
        agent_did=keys.AGENT.did,
        aud=["a"],
        scope=["s"],
        job_id=story.job,
        policy_hash_b64u=story.policy_hash,
        iat=story.now_ns // 10**9,
        exp=story.now_ns // 10**9 + 60,
        jti="1",
    )
    story.own_log_raw("token_issued", issuance_members(story.token, ticket=TICKET, requester="p-dora"))
    assert story.codes("ticket.read") == {"TOKEN_SIGNATURE_INVALID"}


def test_a_token_serves_one_ticket() -> None:
    story = Story().up_to_approvals()
    assert story.codes(EXECUTE, ticket="servicedesk.test:CHG-2") == {"TOKEN_TICKET_MISMATCH"}
    assert story.codes("ticket.read", ticket="servicedesk.test:CHG-2") == {"TOKEN_TICKET_MISMATCH"}
    assert story.codes("ticket.read") == set()


@pytest.mark.parametrize(
    "other", [{"exp": 1}, {"iat": 1}, {"scope": ["other"]}, {"aud": ["other"]}, {"job_id": "job-2"}], ids=str
)
def test_an_issuance_that_says_otherwise_than_the_token_is_not_believed(other: dict[str, object]) -> None:
    story = Story().govern().issue(log=False)
    members = {**issuance_members(story.token, ticket=TICKET, requester="p-dora"), **other}
    if members["exp"] <= members["iat"]:
        members["iat"] = 0
    claims = {
        "token_version": "1",
        "sub": members["agent_did"],
        "aud": members["aud"],
        "scope": members["scope"],
        "mission_id": members["job_id"],
        "policy_hash_b64u": members["policy_hash_b64u"],
    }
    members["token_scope_hash_b64u"] = compute_token_scope_hash(claims)
    story.own_log_raw("token_issued", members)
    assert "TOKEN_SCOPE_MISMATCH" in story.codes("ticket.read")


@pytest.mark.parametrize(("after_s", "codes"), [(0, set()), (599.9, set()), (600, {"TOKEN_EXPIRED"})])
def test_a_token_lives_from_iat_until_exp(after_s: float, codes: set[str]) -> None:
    story = Story().govern()
    start = story.now_ns // 10**9 * 10**9
    story.issue(ttl_s=600)
    story.now_ns = start + int(after_s * 10**9)
    assert story.codes("ticket.read") == codes
    story.now_ns = start - 1
    assert story.codes("ticket.read") == {"TOKEN_EXPIRED"}


@pytest.mark.parametrize(("ttl_s", "codes"), [(900, set()), (901, {"TOKEN_TTL_EXCEEDED"})])
def test_a_token_lives_no_longer_than_the_policy_says(ttl_s: int, codes: set[str]) -> None:
    assert Story().govern().issue(ttl_s=ttl_s).codes("ticket.read") == codes


@pytest.mark.parametrize(("pinned", "codes"), [(["change:execute"], set()), (["other"], {"TOKEN_SCOPE_MISMATCH"})])
def test_a_policy_may_pin_audience_and_scope(pinned: list[str], codes: set[str]) -> None:
    pin = "b64u:" + payload_hash({"aud": ["gate.test"], "scope": pinned})
    requirements = {**policy()["token_requirements"], "cst_scope_hash": pin}
    assert Story().govern(policy(token_requirements=requirements)).issue().codes("ticket.read") == codes


# The policy.


def test_a_policy_that_is_not_in_the_log_allows_nothing() -> None:
    story = Story().govern()
    story.policy_hash = hash_of("another policy")
    assert story.issue().codes("ticket.read") == {"POLICY_NOT_FOUND"}


def test_an_unreadable_policy_allows_nothing() -> None:
    story = Story()
    document = policy()
    story.withhold("work_policy_contract", document, keys.POLICY_ISSUER)
    story.policy_hash = payload_hash(document)
    assert story.issue().codes("ticket.read") == {"POLICY_NOT_FOUND"}


def test_a_policy_of_a_stranger_allows_nothing() -> None:
    story = Story()
    assert story.publish_policy(policy(), keys.STRANGER).void == "SIGNER_NOT_TRUSTED"
    assert story.issue().codes("ticket.read") == {"POLICY_NOT_FOUND"}


def test_no_allow_rests_on_a_simulation_that_the_policy_forbids() -> None:
    story = Story().govern(policy(tools={"change.simulate": {"allowed": False}})).up_to_approvals()
    assert "TOOL_NOT_ALLOWED" in story.codes("change.execute")


@pytest.mark.parametrize(("start_s", "until_s", "allowed"), [(0, 9, True), (4, 9, False), (0, 2, False), (3, 4, True)])
def test_a_policy_is_valid_from_until(start_s: int, until_s: int, allowed: bool) -> None:
    story = Story()
    at = [format_timestamp(story.now_ns + seconds * 10**9) for seconds in (start_s, until_s)]
    story.govern(policy(valid_from=at[0], valid_until=at[1])).issue()  # three entries, three seconds
    assert story.codes("ticket.read") == (set() if allowed else {"POLICY_NOT_IN_FORCE"})


def test_a_tool_that_is_not_listed_or_not_allowed_is_denied() -> None:
    story = Story().govern(policy(tools={"ticket.delete": {"allowed": False}})).issue()
    assert story.codes("ticket.reopen") == {"TOOL_NOT_LISTED"}
    assert story.codes("ticket.delete") == {"TOOL_NOT_ALLOWED"}
    assert story.codes("ticket.read") == set()


@pytest.mark.parametrize(
    ("changes", "tool", "code"),
    [
        ({}, {"step_up": {"acr": ["c1"], "max_age_s": 60}}, "STEP_UP_UNSUPPORTED"),
        ({"models": {"providers": ["*"], "models": ["*"]}}, {}, "POLICY_UNSUPPORTED"),
        ({"budgets": {"max_calls": 3}}, {}, "POLICY_UNSUPPORTED"),
    ],
)
def test_a_demand_that_nothing_enforces_is_a_deny(changes: dict[str, object], tool: dict[str, object], code: str) -> None:
    story = Story().govern(policy(tools={EXECUTE: tool}, **changes)).up_to_approvals()
    assert story.codes(EXECUTE) == {code}


def test_proof_of_possession_is_denied() -> None:
    requirements = {**policy()["token_requirements"], "proof_of_possession": True}
    story = Story().govern(policy(token_requirements=requirements)).issue()
    assert story.codes("ticket.read") == {"PROOF_OF_POSSESSION_UNSUPPORTED"}


# Tools without ceremony.


def test_a_simple_tool_leaves_no_decision_and_any_other_does() -> None:
    story = Story().up_to_approvals()
    assert not story.ask("ticket.read").is_logged
    assert story.ask(EXECUTE).is_logged


def test_a_simple_tool_with_environments_needs_a_plan_that_says_so() -> None:
    story = Story().govern(policy(tools={"change.simulate": {"environments": ["production"]}})).issue()
    assert story.codes("change.simulate") == {"ENVIRONMENT_NOT_ALLOWED"}
    elsewhere = plan_bytes(environment="lab")
    story.plans = {fingerprint(plan): plan for plan in (story.plan, elsewhere)}
    assert story.codes("change.simulate", plan_hash=fingerprint(story.plan)) == set()
    assert story.codes("change.simulate", plan_hash=fingerprint(elsewhere)) == {"ENVIRONMENT_NOT_ALLOWED"}


def test_a_simple_tool_waits_for_its_steps_too() -> None:
    steps = {"required_before": [EXECUTE, CLOSE, "ticket.comment"]}
    story = Story().govern(policy(tools={"ticket.comment": {"allowed": True}, "change.simulate": steps})).issue()
    assert story.codes("ticket.comment") == {"SIMULATION_MISSING"}
    story.call_model()
    story.simulate()
    assert story.codes("ticket.comment") == set()


# Plan and simulation.


def test_without_a_simulation_nothing_is_decided() -> None:
    story = Story().govern().issue()
    story.call_model()
    assert story.codes(EXECUTE) >= {"SIMULATION_MISSING", "APPROVALS_INSUFFICIENT"}


def test_a_failed_simulation_does_not_count_until_another_succeeds() -> None:
    story = Story().govern().issue()
    story.call_model()
    story.simulate(outcome="failure")
    assert "SIMULATION_FAILED" in story.codes(EXECUTE)
    story.simulate()
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == set()


def test_a_plan_other_than_the_simulated_one_is_refused_by_one_byte() -> None:
    story = Story().up_to_approvals()
    other = plan_bytes(body={"limit": 201})
    story.plans[fingerprint(other)] = other
    assert "PLAN_MISMATCH" in story.codes(EXECUTE, plan_hash=fingerprint(other))
    assert story.codes(EXECUTE, plan_hash=fingerprint(story.plan)) == set()


def test_a_plan_that_only_the_caller_names_is_not_in_the_scope() -> None:
    story = Story().govern().issue()
    judgement = story.ask(EXECUTE, plan_hash=fingerprint(story.plan))
    assert "plan_hash_b64u" not in judgement.scope


@pytest.mark.parametrize("member", ["ticket", "policy_hash_b64u", "token_scope_hash_b64u"])
def test_a_simulation_of_something_else_does_not_count(member: str) -> None:
    story = Story().govern().issue()
    story.call_model()
    story.simulate(**{member: {"ticket": "servicedesk.test:CHG-2"}.get(member, hash_of("other"))})
    assert "SIMULATION_MISSING" in story.codes(EXECUTE)


def test_the_plans_bytes_must_be_there() -> None:
    story = Story().up_to_approvals()
    story.plans.clear()
    assert "PLAN_MISSING" in story.codes(EXECUTE)


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (plan_bytes() + b"\n", "PLAN_NOT_CANONICAL"),
        (plan_bytes(extra=1), "SCHEMA_VALIDATION_FAILED"),
        (plan_bytes(plan_version="2"), "SCHEMA_VALIDATION_FAILED"),
        (b"[" * 100, "JSON_TOO_DEEP"),
        (b"\xff", "JSON_INVALID"),
        (plan_bytes(ticket="servicedesk.test:CHG-2"), "PLAN_MISMATCH"),
        (plan_bytes(environment="lab"), "ENVIRONMENT_NOT_ALLOWED"),
        (plan_bytes(change_type="schema"), "CHANGE_TYPE_NOT_ALLOWED"),
    ],
)
def test_a_plan_that_may_not_be_applied_is_denied(plan: bytes, code: str) -> None:
    story = Story().govern().issue()
    story.plan = plan
    story.call_model()
    story.simulate()
    assert code in story.codes(EXECUTE)


def test_a_simulation_logged_by_two_runners_counts_from_its_first_index() -> None:
    second = keys.fixture_key("second runner")
    story = Story(trust=trust_policy(roles={"runners": [keys.RUNNER.did, second.did]})).govern().issue()
    story.call_model()
    record = story.own("simulation", **story.about())
    story.plans[fingerprint(story.plan)] = story.plan
    story.log("simulation", record)
    story.approve(EXECUTE)
    story.log("simulation", record, second)
    assert story.codes(EXECUTE) == set()


# Receipts, run and round.


def test_there_is_a_model_call_of_the_job_below_the_simulation() -> None:
    story = Story().govern().issue()
    story.simulate()
    story.call_model()
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == {"RECEIPTS_MISSING"}


@pytest.mark.parametrize("member", ["policy_hash", "token_scope_hash_b64u"])
def test_a_model_call_of_something_else_does_not_count(member: str) -> None:
    story = Story().govern().issue()
    story.call_model(binding=story.bound(**{member: hash_of("other")}))
    story.simulate()
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == {"RECEIPTS_MISSING"}


def test_a_policy_may_do_without_receipts() -> None:
    enforcement = {"fail_closed": True, "require_gateway_receipts": False, "require_proof_bundle": True}
    story = Story().govern(policy(enforcement=enforcement)).issue()
    story.simulate()
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == set()


def test_everything_of_the_job_names_one_run() -> None:
    story = Story().up_to_approvals()
    story.call_model(binding=story.bound(run_id="run-2"))
    assert story.codes(EXECUTE) == {"RUN_MISMATCH"}
    story = Story().up_to_approvals()
    story.call_model(binding=story.bound(run_id=None))
    assert story.codes(EXECUTE) == {"RUN_MISMATCH"}


def test_a_violation_may_tell_of_another_run() -> None:
    """What was seen and done changes no decision."""
    story = Story().up_to_approvals()
    story.own_log("violation", run_id="run-2")
    assert story.codes(EXECUTE) == set()


def test_a_run_of_another_job_is_not_taken() -> None:
    story = Story().up_to_approvals()
    story.job = "job-2"
    story.issue()
    assert story.simulate().void == "CONFLICT"


def test_rounds_count_every_allow_used_or_not() -> None:
    story = Story().up_to_approvals()
    for number in ("1", "2", "3"):
        assert story.scope(EXECUTE)["round"] == number
        assert story.scope(CLOSE)["round"] == "1"
        allow = story.decide(EXECUTE)
        if number == "2":
            story.withdraw(allow)
        story.approve(EXECUTE)


def test_an_ill_founded_allow_counts_as_a_round_and_a_void_one_does_not() -> None:
    story = Story().up_to_simulation()
    assert story.forge_allow(EXECUTE, signer=keys.AGENT).void == "SIGNER_WRONG_ROLE"
    assert story.scope(EXECUTE)["round"] == "1"
    story.forge_allow(EXECUTE)
    assert story.scope(EXECUTE)["round"] == "2"


def test_one_scope_is_allowed_once() -> None:
    story = Story().up_to_approvals()
    judgement = story.ask(EXECUTE)
    story.log_decision(EXECUTE, judgement)
    assert story.log_decision(EXECUTE, judgement).void == "CONFLICT"
