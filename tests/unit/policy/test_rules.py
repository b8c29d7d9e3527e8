"""The rules that can be read off the policy document alone, each both ways; and what cannot be written in one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import keys, payloads
from tests.unit.gate.story import policy
from trustlog.errors import REASONS, Refused
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.timestamp import NS
from trustlog.policy.facts import Missing, PolicyFact
from trustlog.policy.finding import MAX_SAID_CHARACTERS, Finding
from trustlog.policy.rules import steps_before, whole
from trustlog.policy.rules import token as token_rules
from trustlog.policy.rules import tool as tool_rules
from trustlog.policy.rules.tool import find_tool
from trustlog.records.plan import Plan
from trustlog.records.token_issued import TOKEN_ISSUED, TokenIssued
from trustlog.records.work_policy_contract import ChangeManagement, policy_from_text


def rules_of(document: dict[str, Any]) -> ChangeManagement:
    found = policy_from_text(canonicalize(document)).rules
    assert found is not None
    return found


def in_force(rules: ChangeManagement) -> PolicyFact:
    return PolicyFact("h" * 43, rules)


def codes(findings: Any) -> list[str]:
    return [finding.code for finding in findings]


def token(**changes: Any) -> TokenIssued:
    record = TOKEN_ISSUED.read(payloads.token_issued(**changes), b"")
    assert isinstance(record, TokenIssued)
    return record


def plan(**changes: Any) -> Plan:
    members = {"plan_version": "1", "change_type": "config", "environment": "lab", "ticket": "a:b", "body": None}
    return Plan(**{**members, **changes})


def test_a_finding_has_a_registered_code_and_says_the_next_step() -> None:
    finding = Finding("TOKEN_EXPIRED", "a", "b")
    assert (finding.detail, finding.hint) == ("expected a; found b", REASONS["TOKEN_EXPIRED"].next_step)
    with pytest.raises(AssertionError):
        Finding("NO_SUCH_CODE", "a", "b")


def test_a_finding_may_know_the_next_step_of_its_case() -> None:
    assert Finding("TOKEN_EXPIRED", "a", "b", "do this").hint == "do this"


def test_what_a_finding_quotes_is_shown_as_one_printable_line() -> None:
    hostile = "x\x1b[2J\ny\u202e"
    finding = Finding("BUNDLE_MISMATCH", "a", hostile, hostile)
    assert finding.detail == r"expected a; found x\u001b[2J\u000ay\u202e"
    assert finding.hint == r"x\u001b[2J\u000ay\u202e"


def test_a_finding_never_shows_a_token_and_has_an_end() -> None:
    token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
    finding = Finding("TOOL_NOT_LISTED", "a tool", token + " x" * 10_000, token)
    assert token not in finding.detail + finding.hint
    assert len(finding.detail) == MAX_SAID_CHARACTERS


@pytest.mark.parametrize(
    ("offset_s", "expected"), [(-1, ["POLICY_NOT_IN_FORCE"]), (0, []), (59, []), (60, ["POLICY_NOT_IN_FORCE"])]
)
def test_validity_is_half_open(offset_s: int, expected: list[str]) -> None:
    rules = rules_of(policy(valid_from="2026-03-02T09:00:00Z", valid_until="2026-03-02T09:01:00Z"))
    assert codes(whole.policy_is_valid_now.check(in_force(rules), payloads.NOW_NS + offset_s * NS)) == expected


def test_a_policy_without_dates_is_always_valid() -> None:
    assert codes(whole.policy_is_valid_now.check(in_force(rules_of(policy())), 0)) == []


@pytest.mark.parametrize(("offset_s", "expected"), [(-1, ["TOKEN_EXPIRED"]), (0, []), (599, []), (600, ["TOKEN_EXPIRED"])])
def test_a_token_lives_from_iat_until_exp(offset_s: int, expected: list[str]) -> None:
    assert codes(token_rules.token_is_alive.check(token(), payloads.NOW_NS + offset_s * NS)) == expected


@pytest.mark.parametrize(("ttl_s", "expected"), [(900, []), (901, ["TOKEN_TTL_EXCEEDED"])])
def test_a_token_lives_no_longer_than_allowed(ttl_s: int, expected: list[str]) -> None:
    long = token(exp=payloads.NOW_S + ttl_s)
    assert codes(token_rules.token_is_short_lived.check(in_force(rules_of(policy())), long)) == expected


@pytest.mark.parametrize(
    ("aud", "scope", "expected"),
    [
        (["b", "a", "a"], [" s "], []),
        (["a", "b"], ["s"], []),
        (["a"], ["s"], ["TOKEN_SCOPE_MISMATCH"]),
        (["a", "b"], ["s", "t"], ["TOKEN_SCOPE_MISMATCH"]),
    ],
)
def test_the_pinned_scope_hash_is_over_sorted_names(aud: list[str], scope: list[str], expected: list[str]) -> None:
    pin = "b64u:" + payloads.payload_hash({"aud": ["a", "b"], "scope": ["s"]})
    requirements = {**policy()["token_requirements"], "cst_scope_hash": pin}
    rules = rules_of(policy(token_requirements=requirements))
    assert codes(token_rules.token_has_the_pinned_scope.check(in_force(rules), token(aud=aud, scope=scope))) == expected


def test_without_a_pin_any_scope_will_do() -> None:
    assert codes(token_rules.token_has_the_pinned_scope.check(in_force(rules_of(policy())), token())) == []


def test_a_tool_must_be_listed_and_allowed() -> None:
    rules = rules_of(policy(tools={"ticket.read": {"allowed": False}}))
    for name, expected in (("change.execute", []), ("ticket.read", ["TOOL_NOT_ALLOWED"])):
        tool = find_tool(in_force(rules), name)
        assert codes(tool_rules.tool_is_listed_and_allowed.check(tool, name)) == expected
    unlisted = find_tool(in_force(rules), "ticket.Read")
    assert isinstance(unlisted, Missing)
    assert codes(unlisted.why) == ["TOOL_NOT_LISTED"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (plan(change_type="config", environment="staging"), []),
        (plan(change_type="schema", environment="staging"), ["CHANGE_TYPE_NOT_ALLOWED"]),
        (plan(change_type="config"), ["ENVIRONMENT_NOT_ALLOWED"]),
        (plan(change_type="Config", environment="staging "), ["CHANGE_TYPE_NOT_ALLOWED", "ENVIRONMENT_NOT_ALLOWED"]),
        (None, ["CHANGE_TYPE_NOT_ALLOWED", "ENVIRONMENT_NOT_ALLOWED"]),
    ],
)
def test_where_lists_are_given_the_plan_is_in_them(found: Plan | None, expected: list[str]) -> None:
    tool = rules_of(policy()).tools["change.execute"]
    types, environments = tool_rules.change_type_is_allowed, tool_rules.environment_is_allowed
    assert codes(types.check(tool, found)) + codes(environments.check(tool, found)) == expected


@pytest.mark.parametrize("found", [None, plan()])
def test_absent_lists_mean_any(found: Plan | None) -> None:
    tool = rules_of(policy()).tools["ticket.read"]
    assert codes(tool_rules.change_type_is_allowed.check(tool, found)) == []
    assert codes(tool_rules.environment_is_allowed.check(tool, found)) == []


def test_steps_are_read_from_the_tools_that_name_them() -> None:
    rules = rules_of(policy())
    assert steps_before(rules, "ticket.close") == ["change.execute", "change.simulate"]
    assert steps_before(rules, "change.execute") == ["change.simulate"]
    assert steps_before(rules, "ticket.read") == []


# Defaults.


def test_absent_members_read_as_documented() -> None:
    tool = rules_of(policy(tools={"t": {"allowed": True}})).tools["t"]
    assert (tool.two_person_rule, tool.requires_proof_bundle_reference, tool.step_up_approvals) == (False, False, 0)
    assert (tool.approval_ttl_s, tool.constraints, tool.approvals_needed) == (86400, [], 0)
    assert (tool.plan_match, tool.decision_is_logged) == (False, False)


@pytest.mark.parametrize(
    ("members", "needed"),
    [
        ({"step_up_approvals": 1}, 1),
        ({"two_person_rule": True}, 2),
        ({"two_person_rule": True, "step_up_approvals": 1}, 2),
        ({"two_person_rule": True, "step_up_approvals": 3}, 3),
        ({"approver_constraints": ["a", "b", "c"], "two_person_rule": True}, 3),
    ],
)
def test_the_largest_demand_says_how_many_people(members: dict[str, Any], needed: int) -> None:
    tool = rules_of(policy(tools={"t": {"allowed": True, **members}})).tools["t"]
    assert tool.approvals_needed == needed
    assert tool.plan_match
    assert tool.decision_is_logged


@pytest.mark.parametrize("member", ["requires_plan_fingerprint_match", "requires_proof_bundle_reference"])
def test_a_plan_match_or_a_bundle_alone_makes_a_decision(member: str) -> None:
    assert rules_of(policy(tools={"t": {"allowed": True, member: True}})).tools["t"].decision_is_logged


# What is no policy.

BAD_TOOLS: list[dict[str, Any]] = [
    {"ticket.read": {"allowed": True, "unknown": 1}},
    {"ticket.read": {"allowed": "yes"}},
    {"ticket.read": {"allowed": True, "approver_constraints": []}},
    {"ticket.read": {"allowed": True, "change_types": []}},
    {"ticket.read": {"allowed": True, "environments": []}},
    {"ticket.read": {"allowed": True, "required_before": []}},
    {"ticket.read": {"allowed": True, "required_before": ["ticket.close"]}},
    {"ticket.read": {"allowed": True, "step_up_approvals": -1}},
    {"ticket.read": {"allowed": True, "step_up_approvals": 1.5}},
    {"ticket.read": {"allowed": True, "approval_ttl_s": 0}},
    {"change.simulate": {"requires_proof_bundle_reference": True}},
    {"change.execute": {"requires_proof_bundle_reference": True}},
    {"ticket.close": {"requires_proof_bundle_reference": None}},
]


@pytest.mark.parametrize("tools", BAD_TOOLS, ids=str)
def test_what_cannot_be_meant_is_invalid(tools: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        rules_of(policy(tools=tools))
    assert refused.value.code == "POLICY_INVALID"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"unknown": 1}, "POLICY_INVALID"),
        ({"policy_hash": "b64u:" + "A" * 43}, "POLICY_INVALID"),
        ({"supersedes": "A" * 43}, "POLICY_INVALID"),
        ({"supersedes": "b64u:" + "A" * 42 + "B"}, "POLICY_INVALID"),
        ({"wpc_version": "2"}, "POLICY_VERSION_UNKNOWN"),
        ({"wpc_version": 1}, "POLICY_VERSION_UNKNOWN"),
        ({"policy_name": ""}, "POLICY_INVALID"),
        ({"valid_from": "2026-03-02T09:00:00Z", "valid_until": "2026-03-02T09:00:00Z"}, "POLICY_INVALID"),
        ({"valid_from": "2026-03-02T09:00:00+24:00"}, "POLICY_INVALID"),
        ({"enforcement": {**policy()["enforcement"], "fail_closed": False}}, "POLICY_INVALID"),
        ({"record": "trustlog/work_policy_contract/v1"}, "POLICY_INVALID"),
    ],
    ids=str,
)
def test_a_policy_is_closed(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        rules_of(policy(**changes))
    assert refused.value.code == code


def test_a_policy_is_its_own_canonical_form() -> None:
    with pytest.raises(Refused) as refused:
        policy_from_text(canonicalize(policy()) + b"\n")
    assert refused.value.code == "POLICY_NOT_CANONICAL"


def test_a_close_that_is_not_allowed_needs_no_bundle() -> None:
    rules_of(policy(tools={"ticket.close": {"allowed": False, "requires_proof_bundle_reference": None}}))


def test_the_same_block_in_a_clawsig_policy_is_read_the_same_way() -> None:
    document = {
        "policy_version": "1",
        "policy_id": "p",
        "issuer_did": keys.POLICY_ISSUER.did,
        "metadata": {"change_management": policy()},
    }
    assert rules_of(document) == rules_of(policy())
    document["metadata"] = {"change_management": policy(supersedes="b64u:" + "A" * 43)}
    with pytest.raises(Refused):
        rules_of(document)
