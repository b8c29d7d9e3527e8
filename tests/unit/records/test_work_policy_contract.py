"""A policy is closed and exact: whatever cannot be read with certainty makes it invalid, and so everything under it denied."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.support import payloads
from tests.support.envelopes import candidate, seal
from tests.support.keys import POLICY_ISSUER
from tests.support.payloads import NOW, POLICY_HASH, Payload, work_policy_contract
from tests.support.trust import ORIGIN
from trustlog.errors import Refused
from trustlog.formats.envelope import parse_envelope, seal_text
from trustlog.formats.jsontext import canonicalize, parse_json, stringify
from trustlog.records.candidate import read_candidate
from trustlog.records.work_policy_contract import ChangeManagement, WorkPolicyContract, policy_from_text

ADDRESS = f"b64u:{POLICY_HASH}"


def read(policy: Payload) -> WorkPolicyContract:
    return policy_from_text(canonicalize(policy))


def rules(policy: Payload) -> ChangeManagement:
    found = read(policy).rules
    assert found is not None
    return found


def refused(policy: Payload) -> Refused:
    with pytest.raises(Refused) as caught:
        read(policy)
    assert caught.value.expected
    return caught.value


def changed(path: str, value: Any) -> Payload:
    """The valid policy with one value changed; a path like ``tools|ticket.close|allowed``."""
    policy = copy.deepcopy(work_policy_contract())
    *steps, last = path.split("|")
    holder: Any = policy
    for step in steps:
        holder = holder.setdefault(step, {})
    holder[last] = value
    return policy


def test_the_policy_of_the_honest_path_reads_as_it_says() -> None:
    known = rules(work_policy_contract())
    execute, close = known.tools["change.execute"], known.tools["ticket.close"]
    assert execute.approvals_needed == 2
    assert execute.constraints == ["service_owner", "platform_security"]
    assert (execute.plan_match, close.plan_match, known.tools["ticket.read"].plan_match) == (True, True, False)
    assert (execute.approval_ttl_s, close.approval_ttl_s) == (3600, 86400)
    assert known.tools["ticket.read"].decision_is_logged is False
    assert known.superseded_policy is None


def test_absent_members_have_their_defaults() -> None:
    tool = rules(work_policy_contract(tools={"x": {"allowed": True}})).tools["x"]
    assert (tool.two_person_rule, tool.requires_proof_bundle_reference, tool.step_up_approvals) == (False, False, 0)
    assert (tool.approvals_needed, tool.constraints, tool.approval_ttl_s) == (0, [], 86400)


@pytest.mark.parametrize(
    ("tool", "needed"),
    [
        ({"step_up_approvals": 1}, 1),
        ({"two_person_rule": True}, 2),
        ({"step_up_approvals": 3, "two_person_rule": True}, 3),
        ({"approver_constraints": ["a", "b", "c"], "step_up_approvals": 1}, 3),
    ],
)
def test_the_approvals_needed_are_the_most_that_any_demand_asks_for(tool: Payload, needed: int) -> None:
    known = rules(work_policy_contract(tools={"x": {"allowed": True, **tool}})).tools["x"]
    assert known.approvals_needed == needed
    assert known.plan_match is True
    assert known.decision_is_logged is True


def test_a_plan_match_may_be_waived_or_demanded_in_so_many_words() -> None:
    waived = rules(changed("tools|change.execute|requires_plan_fingerprint_match", False))
    assert waived.tools["change.execute"].plan_match is False
    demanded = rules(changed("tools|ticket.read|requires_plan_fingerprint_match", True))
    assert demanded.tools["ticket.read"].plan_match is True
    assert demanded.tools["ticket.read"].decision_is_logged is True


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("supersedes", ADDRESS),
        ("valid_from", "2026-01-01T00:00:00Z"),
        ("valid_until", "2027-01-01T00:00:00Z"),
        ("policy_name", "x" * 128),
        ("token_requirements|cst_scope_hash", ADDRESS),
        ("token_requirements|proof_of_possession", True),
        ("token_requirements|optional_policy_hash_pinning", True),
        ("models", {"providers": ["openai"], "models": ["gpt-*"]}),
        ("budgets", {"max_calls": 10}),
        ("budgets", {"max_tokens": 10_000, "max_calls": 1}),
        ("egress", {"hosts": ["*.example.com"]}),
        ("tools|change.execute|step_up", {"acr": ["c1"], "max_age_s": 300}),
        ("tools|ticket.close|allowed", False),
    ],
)
def test_what_a_policy_may_say(path: str, value: object) -> None:
    rules(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("policy_name", ""),
        ("policy_name", "x" * 129),
        ("policy_hash", ADDRESS),  # in drafts only
        ("supersedes", POLICY_HASH),
        ("supersedes", ADDRESS + "="),
        ("supersedes", "b64u:" + "A" * 42 + "B"),
        ("supersedes", None),
        ("valid_from", "2026-01-01"),
        ("valid_until", "soon"),
        ("record", "trustlog/work_policy_contract/v1"),
        ("unknown", 1),
        ("enforcement|fail_closed", False),
        ("enforcement|fail_closed", "true"),
        ("enforcement|fail_open", False),
        ("token_requirements|max_ttl_s", 0),
        ("token_requirements|max_ttl_s", -900),
        ("token_requirements|max_ttl_s", 900.5),
        ("token_requirements|max_ttl_s", 366 * 86400 + 1),
        ("token_requirements|cst_scope_hash", POLICY_HASH),
        ("token_requirements|extra", True),
        ("models", {}),
        ("models", {"providers": []}),
        ("models", {"providers": [], "models": ["*"]}),
        ("budgets|max_calls", 0),
        ("budgets|max_cost", 1),
        ("egress|hosts", []),
        ("tools", []),
        ("tools|bad name", {"allowed": True}),
        ("tools|", {"allowed": True}),
        ("tools|ticket.close|requires_proof_bundle_reference", False),
        ("tools|ticket.close|requires_proof_bundle_reference", "yes"),
        ("tools|change.execute|requires_proof_bundle_reference", True),
        ("tools|change.simulate|requires_proof_bundle_reference", True),
        ("tools|ticket.read|required_before", ["ticket.close"]),
        ("tools|change.execute|required_before", []),
        ("tools|change.execute|required_before", "ticket.close"),
        ("tools|change.execute|approver_constraints", []),
        ("tools|change.execute|approver_constraints", [""]),
        ("tools|change.execute|change_types", []),
        ("tools|change.execute|environments", []),
        ("tools|change.execute|step_up_approvals", -1),
        ("tools|change.execute|step_up_approvals", 65),
        ("tools|change.execute|step_up_approvals", 2.5),
        ("tools|change.execute|approval_ttl_s", 0),
        ("tools|change.execute|step_up", {"acr": [], "max_age_s": 300}),
        ("tools|change.execute|step_up", {"acr": ["c1"]}),
        ("tools|change.execute|step_up", {"acr": ["c1"], "max_age_s": 300, "amr": []}),
        ("tools|change.execute|auto_approve", True),
        ("tools|change.execute|allowed", None),
        ("tools|change.execute|allowed", 1),
    ],
)
def test_what_a_policy_may_not_say(path: str, value: object) -> None:
    found = refused(changed(path, value))
    assert found.code in ("POLICY_INVALID", "SCHEMA_VALIDATION_FAILED")
    assert (found.param or "").startswith("payload")


@pytest.mark.parametrize("name", ["policy_name", "enforcement", "token_requirements", "tools"])
def test_a_policy_lacks_nothing_that_is_required(name: str) -> None:
    policy = work_policy_contract()
    del policy[name]
    found = refused(policy)
    assert (found.code, found.param) == ("POLICY_INVALID", f"payload.{name}")


@pytest.mark.parametrize("version", ["2", "", 1, None])
def test_another_version_is_not_guessed_at(version: object) -> None:
    found = refused(work_policy_contract(wpc_version=version))
    assert (found.code, found.param) == ("POLICY_VERSION_UNKNOWN", "payload.wpc_version")


def test_a_policy_without_any_version_is_of_an_unknown_one() -> None:
    policy = work_policy_contract()
    del policy["wpc_version"]
    found = refused(policy)
    assert (found.code, found.param, found.found) == ("POLICY_VERSION_UNKNOWN", "payload.wpc_version", "absent")


@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z")],
)
def test_a_policy_ends_after_it_begins(start: str, end: str) -> None:
    found = refused(work_policy_contract(valid_from=start, valid_until=end))
    assert (found.code, found.param) == ("POLICY_INVALID", "payload.valid_until")


def test_the_published_text_is_its_own_rfc_8785_form() -> None:
    policy = work_policy_contract()
    with pytest.raises(Refused) as caught:
        policy_from_text(stringify(policy))
    assert caught.value.code == "POLICY_NOT_CANONICAL"
    assert stringify(policy) != canonicalize(policy)
    envelope = parse_envelope(seal_text("work_policy_contract", stringify(policy), POLICY_ISSUER, NOW))
    with pytest.raises(Refused, match="POLICY_NOT_CANONICAL"):
        read_candidate(envelope, origin=ORIGIN)


def test_payload_hash_policy_hash_and_ref_are_one_value() -> None:
    known = candidate("work_policy_contract")
    assert known.refs["policy"] == known.payload_hash_b64u == payloads.payload_hash(work_policy_contract())


def test_a_policy_may_be_published_under_any_number_of_signers() -> None:
    assert candidate("work_policy_contract").claims == ()


# Clawsig's own policies.


def clawsig(**changes: Any) -> Payload:
    return {
        "policy_version": "1",
        "policy_id": "policy-1",
        "issuer_did": POLICY_ISSUER.did,
        "allowed_providers": ["openai"],
        "redaction_rules": [{"path": "/a", "action": "hash"}],
        **changes,
    }


def test_a_clawsig_policy_has_no_rules_of_ours() -> None:
    known = read(clawsig())
    assert known.rules is None
    assert known.clawsig is not None
    assert candidate("work_policy_contract", clawsig()).refs == {"policy": payloads.payload_hash(clawsig())}


def test_a_clawsig_policy_may_carry_the_same_rules_in_its_metadata() -> None:
    policy = clawsig(metadata={"change_management": work_policy_contract(), "other": 1})
    assert rules(policy) == rules(work_policy_contract())


@pytest.mark.parametrize(
    "block",
    [
        {**work_policy_contract(), "supersedes": ADDRESS},
        {**work_policy_contract(), "policy_hash": ADDRESS},
        {**work_policy_contract(), "unknown": 1},
        {**work_policy_contract(), "wpc_version": "2"},
        {**work_policy_contract(), "enforcement": {}},
        {},
        [],
        None,
    ],
)
def test_rules_in_a_clawsig_policy_are_no_less_strict(block: object) -> None:
    found = refused(clawsig(metadata={"change_management": block}))
    assert found.code in ("POLICY_INVALID", "POLICY_VERSION_UNKNOWN")
    assert "change_management" in (found.param or "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("policy_version", "2"),
        ("policy_id", ""),
        ("issuer_did", "x"),
        ("allowed_providers", ["someone"]),
        ("redaction_rules", [{"path": "/a", "action": "keep"}]),
        ("unknown", 1),
        ("wpc_version", "1"),
    ],
)
def test_a_clawsig_policy_is_closed_too(name: str, value: object) -> None:
    assert refused(clawsig(**{name: value})).code in ("POLICY_INVALID", "POLICY_VERSION_UNKNOWN")


def test_a_policy_is_an_object_in_a_sealed_envelope() -> None:
    body = seal("work_policy_contract", work_policy_contract())
    assert parse_json(body)["payload"] == work_policy_contract()
    with pytest.raises(Refused, match="POLICY_INVALID"):
        policy_from_text(b'"a policy"')
    with pytest.raises(Refused, match="JSON_DUPLICATE_KEY"):
        policy_from_text(b'{"wpc_version":"1","wpc_version":"1"}')
