"""What a record says by itself, beyond its members: each rule on both of its sides, asked of the record alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from tests.verifier.changebuilder import OWNER, ROLE_KEYS, SECURITY, Change, Payload, at, default_plan, default_policy
from tests.verifier.logbuilder import Key, b64u, hash_of, jcs, sha, to_json
from verifier.errors import Refused
from verifier.limits import MAX_PAYLOAD_BYTES, MAX_SMALL_PAYLOAD_BYTES
from verifier.records.closure import bundles_named
from verifier.records.kinds import Record, read_record
from verifier.records.plan import parse_plan
from verifier.records.policy import Policy, PublishedPolicy
from verifier.records.roster import check_people
from verifier.records.token import TokenIssued, sorted_unique

Edit = Callable[[Payload], object]
KINDS = {
    "policy": "work_policy_contract",
    "roster": "roster",
    "token": "token_issued",
    "receipt_1": "gateway_receipt",
    "simulation": "simulation",
    "approve_execute_1": "human_approval_receipt",
    "decide_execute": "gate_decision",
    "decide_close": "gate_decision",
    "begin": "execution",
    "end": "execution",
    "bundle": "proof_bundle",
    "closure": "closure",
}


@cache
def honest() -> Change:
    return Change().build()


def read(kind: str, payload: Payload | bytes, *, signer: Key = ROLE_KEYS["agents"]) -> Record:
    text = payload if isinstance(payload, bytes) else jcs(payload)
    return read_record(kind, text, signer_did=signer.did, origin=honest().log.origin)


def code_of(kind: str, payload: Payload | bytes) -> str | None:
    try:
        read(kind, payload)
    except Refused as refused:
        return refused.code
    return None


def edited(step: str, edit: Edit) -> str | None:
    """The code for which the record of a step is refused once it was edited, or None."""
    payload = copy.deepcopy(honest().payloads[step])
    edit(payload)
    return code_of(KINDS[step], payload)


def setting(**members: Any) -> Edit:
    return lambda payload: payload.update(members)


def dropping(*names: str) -> Edit:
    return lambda payload: [payload.pop(name) for name in names]


def both(*edits: Edit) -> Edit:
    return lambda payload: [edit(payload) for edit in edits]


# --- what all have


@pytest.mark.parametrize("step", KINDS)
def test_the_honest_one_is_read(step: str) -> None:
    assert edited(step, lambda _: None) is None


@pytest.mark.parametrize("step", KINDS)
def test_our_own_records_say_what_they_are_and_of_which_log_and_no_others_do(step: str) -> None:
    assert edited(step, setting(record="trustlog/another/v1")) == "SCHEMA_VALIDATION_FAILED"
    if "record" in honest().payloads[step]:
        assert edited(step, dropping("record")) == "SCHEMA_VALIDATION_FAILED"
        assert edited(step, setting(origin="log.example/another")) == "ORIGIN_MISMATCH"
    else:
        assert edited(step, setting(record=f"trustlog/{KINDS[step]}/v1")) == "SCHEMA_VALIDATION_FAILED"


def test_only_a_bundle_may_be_long() -> None:
    def padded(size: int) -> bytes:
        text = jcs(honest().payloads["closure"])
        return text[:-1] + b',"z":"' + b"x" * (size - len(text) - 7) + b'"}'

    assert len(padded(MAX_SMALL_PAYLOAD_BYTES)) == MAX_SMALL_PAYLOAD_BYTES
    for kind, bound in (("closure", MAX_SMALL_PAYLOAD_BYTES), ("proof_bundle", MAX_PAYLOAD_BYTES)):
        assert code_of(kind, padded(bound)) == "SCHEMA_VALIDATION_FAILED"
        assert code_of(kind, padded(bound + 1)) == "BODY_TOO_LARGE"


# --- approvals, executions, tokens, rosters


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda p: p["binding"].update(policy_hash=p["policy_hash_b64u"]), None),
        (lambda p: p["binding"].update(policy_hash=hash_of(b"x")), "RECEIPT_BINDING_MISMATCH"),
        (
            both(lambda p: p["binding"].update(policy_hash=hash_of(b"x")), dropping("policy_hash_b64u")),
            "RECEIPT_BINDING_MISMATCH",
        ),
        (dropping("policy_hash_b64u"), None),
        (dropping("binding"), None),
    ],
)
def test_an_approval_is_bound_to_its_own_policy(edit: Edit, code: str | None) -> None:
    assert edited("approve_execute_1", edit) == code


@pytest.mark.parametrize(
    ("step", "edit", "code"),
    [
        ("begin", setting(begin_b64u=hash_of(b"x")), "SCHEMA_VALIDATION_FAILED"),
        ("begin", setting(outcome="success"), "SCHEMA_VALIDATION_FAILED"),
        ("begin", setting(diff_b64u=hash_of(b"x")), "SCHEMA_VALIDATION_FAILED"),
        ("end", dropping("begin_b64u"), "SCHEMA_VALIDATION_FAILED"),
        ("end", dropping("outcome"), "SCHEMA_VALIDATION_FAILED"),
        ("end", setting(diff_b64u=hash_of(b"x")), None),
        ("end", setting(outcome="failure"), None),
        ("end", setting(phase="begin"), "SCHEMA_VALIDATION_FAILED"),
        ("begin", setting(phase="end"), "SCHEMA_VALIDATION_FAILED"),
    ],
)
def test_a_begin_has_no_end_and_an_end_has_its_begin(step: str, edit: Edit, code: str | None) -> None:
    assert edited(step, edit) == code


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda p: p.update(exp=p["iat"] + 1), None),
        (lambda p: p.update(exp=p["iat"]), "SCHEMA_VALIDATION_FAILED"),
        (lambda p: p.update(exp=p["iat"] - 1), "SCHEMA_VALIDATION_FAILED"),
        (setting(aud=["gate.example", "gate.example"]), None),
        (lambda p: p["scope"].reverse(), None),
        (lambda p: p["scope"].append(" \t\ufeff"), None),
        (lambda p: p.update(scope=[f"\u2028{name}\u00a0" for name in p["scope"]]), None),
        (lambda p: p.update(scope=[f"\u0085{name}" for name in p["scope"]]), "TOKEN_SCOPE_MISMATCH"),
        (setting(aud=["another"]), "TOKEN_SCOPE_MISMATCH"),
        (setting(scope=["another"]), "TOKEN_SCOPE_MISMATCH"),
        (setting(job_id="job-8"), "TOKEN_SCOPE_MISMATCH"),
        (setting(policy_hash_b64u=hash_of(b"x")), "TOKEN_SCOPE_MISMATCH"),
        (setting(agent_did=OWNER.did), "TOKEN_SCOPE_MISMATCH"),
        (setting(requester="p-sec"), None),
    ],
)
def test_a_token_is_of_its_scope_and_lives_a_while(edit: Edit, code: str | None) -> None:
    assert edited("token", edit) == code


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (setting(number=2, previous_b64u=hash_of(b"x")), None),
        (setting(number=2), "ROSTER_INVALID"),
        (setting(previous_b64u=hash_of(b"x")), "ROSTER_INVALID"),
        (lambda p: p["people"][1].update(subject="p-owner"), "ROSTER_INVALID"),
        (lambda p: p["people"][1].update(keys=[OWNER.did]), "ROSTER_INVALID"),
        (lambda p: p["people"][1].update(keys=[SECURITY.did, SECURITY.did]), "ROSTER_INVALID"),
        (lambda p: p["people"][1].update(idp=p["people"][0]["idp"]), "ROSTER_INVALID"),
        (lambda p: p["people"][1].update(keys=[SECURITY.did, Key("second").did]), None),
        (lambda p: p["people"][1].update(roles=["a", "a"]), None),
        (lambda p: p["people"].clear(), None),
    ],
)
def test_a_roster_is_of_its_number_and_names_nobody_twice(edit: Edit, code: str | None) -> None:
    assert edited("roster", edit) == code


def test_a_revoked_key_is_a_key() -> None:
    payload = honest().header("revocation", "revoke") | {"target": f"key:{OWNER.did}", "reason": ""}
    assert code_of("revocation", payload) is None
    assert code_of("revocation", payload | {"target": "key:did:key:z" + "z" * 47}) == "SCHEMA_VALIDATION_FAILED"


# --- decisions


def scope(**members: Any) -> Edit:
    return lambda payload: payload["scope"].update(members)


def unscoped(*names: str) -> Edit:
    return lambda payload: [payload["scope"].pop(name) for name in names]


REASON = {"code": "PLAN_DENIED", "detail": ""}
DENY = setting(decision="deny", reasons=[REASON])


@pytest.mark.parametrize(
    ("step", "edit", "code"),
    [
        ("decide_execute", lambda p: p.update(expires_at=p["decided_at"]), None),
        (
            "decide_execute",
            setting(decided_at=at(0.001), expires_at=at(0)),
            "DECISION_INVALID",
        ),
        ("decide_execute", setting(decided_at=at(0), expires_at=at(60)), None),
        ("decide_execute", setting(decided_at=at(0), expires_at=at(60.001)), "DECISION_INVALID"),
        ("decide_execute", scope(more="x"), "DECISION_INVALID"),
        ("decide_execute", unscoped("round"), "DECISION_INVALID"),
        ("decide_execute", scope(round="0"), "DECISION_INVALID"),
        ("decide_execute", scope(origin="log.example/another"), "DECISION_INVALID"),
        ("decide_execute", dropping("token_hash"), "DECISION_INVALID"),
        ("decide_execute", dropping("token_scope_hash_b64u"), "DECISION_INVALID"),
        ("decide_execute", dropping("run_id"), "DECISION_INVALID"),
        ("decide_execute", dropping("roster_b64u"), "DECISION_INVALID"),
        ("decide_execute", setting(count=1), "DECISION_INVALID"),
        ("decide_execute", setting(withdraws_b64u=hash_of(b"x")), "DECISION_INVALID"),
        ("decide_execute", lambda p: p["requested"].update(action="ticket.close"), "DECISION_INVALID"),
        ("decide_execute", lambda p: p["requested"].update(ticket="jira.example:CHG-8"), "DECISION_INVALID"),
        ("decide_execute", setting(closing_reason="done"), "DECISION_INVALID"),
        ("decide_close", dropping("closing_reason"), "DECISION_INVALID"),
        ("decide_execute", setting(reasons=[REASON]), None),
        ("decide_execute", DENY, None),
        ("decide_execute", both(DENY, setting(reasons=[])), "DECISION_INVALID"),
        ("decide_execute", both(DENY, setting(count=2)), None),
        ("decide_execute", both(DENY, setting(withdraws_b64u=hash_of(b"x"))), None),
        ("decide_execute", both(DENY, setting(scope={})), None),
        ("decide_execute", both(DENY, scope(round="0", job_id="any thing")), None),
        ("decide_execute", both(DENY, scope(more="x")), "DECISION_INVALID"),
        ("decide_execute", both(DENY, scope(bundle_b64u=hash_of(b"x"))), None),
        ("decide_execute", both(DENY, scope(origin="log.example/another")), None),
        ("decide_execute", both(DENY, dropping("token_hash", "token_scope_hash_b64u", "run_id", "roster_b64u")), None),
        ("decide_execute", both(DENY, setting(requested={"action": "a", "ticket": "t"})), None),
    ],
)
def test_an_allow_is_whole_and_a_deny_says_why(step: str, edit: Edit, code: str | None) -> None:
    assert edited(step, edit) == code


@pytest.mark.parametrize("name", list(honest().payloads["decide_execute"]["scope"]))
def test_only_a_complete_scope_has_a_hash(name: str) -> None:
    payload = copy.deepcopy(honest().payloads["decide_execute"])
    whole: Any = read("gate_decision", payload)
    assert whole.scope_hash() == hash_of(payload["scope"])
    assert whole.refs()["scope"] == hash_of(payload["scope"])
    both(DENY, unscoped(name))(payload)
    part: Any = read("gate_decision", payload)
    assert part.scope_hash() is None
    assert "scope" not in part.refs()


# --- closures and plans


@pytest.mark.parametrize(
    ("before", "after", "is_named"),
    [
        ("", "", True),
        ("see ", ".", True),
        ("(", ")", True),
        ("\u00e9", "\u00e9", True),
        ("x", "", False),
        ("-", "", False),
        ("_", "", False),
        ("9", "", False),
        ("", "x", False),
        ("", "-", False),
        ("", "_", False),
        ("bundle:", "", True),
    ],
)
def test_a_closing_reason_names_a_bundle_that_touches_nothing(before: str, after: str, *, is_named: bool) -> None:
    name = hash_of(b"x")
    assert bundles_named(f"{before}bundle:{name}{after}") == ([name] if is_named else [])
    assert bundles_named(f"bundle:{name} bundle:{name}") == [name, name]
    assert bundles_named(f"bundle:{name[:-1]}") == []


def test_a_plan_is_its_own_canonical_form() -> None:
    plan = default_plan()
    assert parse_plan(jcs(plan)).ticket == plan["ticket"]
    for text in (to_json(plan), jcs(plan) + b"\n"):
        with pytest.raises(Refused) as refused:
            parse_plan(text)
        assert refused.value.code == "PLAN_NOT_CANONICAL"


# --- policies


def tool(name: str, **members: Any) -> Edit:
    return lambda policy: policy["tools"].setdefault(name, {"allowed": True}).update(members)


def untooled(name: str, *members: str) -> Edit:
    return lambda policy: [policy["tools"][name].pop(member) for member in members]


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (setting(wpc_version="2"), "POLICY_VERSION_UNKNOWN"),
        (dropping("wpc_version"), "POLICY_VERSION_UNKNOWN"),
        (lambda p: p["enforcement"].update(fail_closed=False), "POLICY_INVALID"),
        (tool("change.simulate", requires_proof_bundle_reference=True), "POLICY_INVALID"),
        (tool("change.execute", requires_proof_bundle_reference=True), "POLICY_INVALID"),
        (tool("change.execute", requires_proof_bundle_reference=False), None),
        (tool("ticket.approve", requires_proof_bundle_reference=True), None),
        (tool("ticket.comment", required_before=["ticket.close"]), "POLICY_INVALID"),
        (tool("ticket.comment", required_before=["ticket.close"], step_up_approvals=1), None),
        (tool("ticket.comment", required_before=["ticket.close"], two_person_rule=True), None),
        (tool("ticket.comment", required_before=["ticket.close"], approver_constraints=["a"]), None),
        (tool("ticket.comment", required_before=["ticket.close"], requires_plan_fingerprint_match=True), None),
        (tool("ticket.comment", required_before=["ticket.close"], requires_proof_bundle_reference=True), None),
        (
            tool("ticket.comment", required_before=["ticket.close"], step_up_approvals=0, two_person_rule=False),
            "POLICY_INVALID",
        ),
        (tool("ticket.close", requires_proof_bundle_reference=False), "POLICY_INVALID"),
        (untooled("ticket.close", "requires_proof_bundle_reference"), "POLICY_INVALID"),
        (tool("ticket.close", requires_proof_bundle_reference=False, allowed=False), None),
        (lambda p: p["tools"].pop("ticket.close"), None),
        (
            both(
                lambda p: p["enforcement"].update(require_proof_bundle=False),
                untooled("ticket.close", "requires_proof_bundle_reference"),
            ),
            None,
        ),
        (setting(valid_from=at(0), valid_until=at(1)), None),
        (setting(valid_from=at(0), valid_until=at(0)), "POLICY_INVALID"),
        (setting(valid_from=at(1), valid_until=at(0)), "POLICY_INVALID"),
        (setting(valid_from=at(0)), None),
        (setting(valid_until=at(0)), None),
        (setting(supersedes="b64u:" + hash_of(b"x")), None),
        (setting(policy_hash="b64u:" + hash_of(b"x")), "POLICY_INVALID"),
    ],
)
def test_a_policy_is_whole_and_can_be_kept(edit: Edit, code: str | None) -> None:
    assert edited("policy", edit) == code


def rules_of(payload: Payload) -> Policy | None:
    record = read("work_policy_contract", payload)
    assert isinstance(record, PublishedPolicy)
    return record.rules


def clawsig(**metadata: Any) -> Payload:
    return {
        "policy_version": "1",
        "policy_id": "p",
        "issuer_did": "did:web:example",
        "metadata": metadata,
    }


def test_a_policy_is_published_in_its_canonical_form() -> None:
    assert code_of("work_policy_contract", to_json(dict(reversed(default_policy().items())))) == "POLICY_NOT_CANONICAL"


def test_a_clawsig_policy_carries_ours_without_supersedes() -> None:
    ours = default_policy()
    assert rules_of(clawsig(change_management=ours)) == rules_of(ours)
    assert rules_of(clawsig(other=1)) is None
    assert rules_of({name: value for name, value in clawsig().items() if name != "metadata"}) is None


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (clawsig(change_management=default_policy() | {"supersedes": "b64u:" + hash_of(b"x")}), "POLICY_INVALID"),
        (clawsig(change_management=default_policy() | {"wpc_version": "2"}), "POLICY_VERSION_UNKNOWN"),
        (clawsig(change_management=[]), "POLICY_INVALID"),
        (clawsig(change_management=None), "POLICY_INVALID"),
        (clawsig(change_management=default_policy() | {"tools": 1}), "POLICY_INVALID"),
        (clawsig() | {"policy_version": "2"}, "POLICY_VERSION_UNKNOWN"),
        (clawsig() | {"more": 1}, "POLICY_INVALID"),
        (clawsig() | {"wpc_version": "1"}, "POLICY_INVALID"),
    ],
)
def test_a_clawsig_policy_that_cannot_be_read(payload: Payload, code: str) -> None:
    assert code_of("work_policy_contract", payload) == code


def test_what_a_policy_leaves_out_has_its_default() -> None:
    rules = rules_of(default_policy())
    assert rules is not None
    read_tool, close = rules.tools["ticket.read"], rules.tools["ticket.close"]
    assert (read_tool.approvals_needed, read_tool.ttl_s, read_tool.leaves_decision) == (0, 86_400, False)
    assert (close.approvals_needed, close.ttl_s, close.leaves_decision) == (2, 86_400, True)
    assert rules.tools["change.execute"].ttl_s == 3600
    assert rules.required_steps("ticket.close") == ["change.execute", "change.simulate"]
    assert rules.required_steps("change.execute") == ["change.simulate"]
    assert rules.required_steps("ticket.read") == []


@pytest.mark.parametrize(
    ("members", "needed"),
    [
        ({}, 0),
        ({"step_up_approvals": 1}, 1),
        ({"step_up_approvals": 3, "two_person_rule": True}, 3),
        ({"two_person_rule": True}, 2),
        ({"two_person_rule": False}, 0),
        ({"approver_constraints": ["a", "b", "c"], "two_person_rule": True}, 3),
        ({"approver_constraints": ["a"], "step_up_approvals": 2}, 2),
    ],
)
def test_the_most_demanding_rule_says_how_many_must_approve(members: Payload, needed: int) -> None:
    policy = default_policy()
    policy["tools"]["ticket.approve"] = {"allowed": True} | members
    rules = rules_of(policy)
    assert rules is not None
    assert rules.tools["ticket.approve"].approvals_needed == needed


def test_a_policy_is_valid_from_its_first_moment_until_before_its_last() -> None:
    rules = rules_of(default_policy() | {"valid_from": at(0), "valid_until": at(1)})
    always = rules_of(default_policy())
    assert rules is not None
    assert always is not None
    assert rules.valid_from is not None
    first = rules.valid_from
    seen = [rules.is_valid_at(first + offset) for offset in (-1, 0, 10**9 - 1, 10**9)]
    assert seen == [False, True, True, False]
    assert always.is_valid_at(first)


# --- refs


def test_refs_are_those_that_the_format_names() -> None:
    """The builder spells them from the format's table; what is absent has none."""
    for item in honest().log.items:
        assert item.payload is not None
        record: Any = read(item.kind, item.payload)
        found = getattr(record, "refs", None)
        if found is not None:
            assert found() == item.refs, item.kind
    assert b64u(sha(honest().plan_bytes)) == honest().payloads["simulation"]["plan_hash_b64u"]


# --- small things that others ask of a record


def test_a_person_is_valid_from_the_first_moment_until_before_the_last() -> None:
    roster: Any = read("roster", honest().payloads["roster"])
    always = roster.people[0]
    first, last = 10, 20
    assert always.is_valid_at(0)
    for members, expected in (
        ({"valid_from": first}, [False, True, True, True]),
        ({"valid_until": last}, [True, True, True, False]),
        ({"valid_from": first, "valid_until": last}, [False, True, True, False]),
    ):
        person = replace(always, **members)
        assert [person.is_valid_at(time) for time in (first - 1, first, last - 1, last)] == expected


def test_a_person_is_found_by_subject_and_by_key() -> None:
    roster: Any = read("roster", honest().payloads["roster"])
    found = {person.subject: person for person in roster.people}
    assert {subject: roster.person_named(subject) for subject in found} == found
    assert roster.person_of(SECURITY.did) == found["p-sec"]
    assert roster.person_named("p-nobody") is None
    assert roster.person_of(Key("nobody").did) is None


def test_names_of_different_sorts_may_be_equal() -> None:
    """An opaque subject may be spelled like another person's id at an identity provider."""
    people = copy.deepcopy(honest().payloads["roster"]["people"])
    people[2]["subject"] = people[0]["idp"][0]
    roster: Any = read("roster", honest().payloads["roster"] | {"people": people})
    assert len(check_people(roster, {})) == sum(1 + len(person["keys"]) + len(person["idp"]) for person in people)


def test_names_in_token_scopes_are_trimmed_of_white_space_and_of_nothing_else() -> None:
    spaces = [*"\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff", *map(chr, range(0x2000, 0x200B))]
    assert [sorted_unique((f"{space}a{space}b{space}",)) for space in spaces] == [[f"a{space}b"] for space in spaces]
    for other in "\u200b\u1fff\u0085\u001c\u180e":
        assert sorted_unique((f"{other}a",)) == [f"{other}a"]


def test_a_policy_names_the_audience_and_scope_of_a_token() -> None:
    payload = honest().payloads["token"]
    record = read("token_issued", payload)
    assert isinstance(record, TokenIssued)
    spelled = {"aud": sorted(payload["aud"]), "scope": sorted(payload["scope"])}
    assert record.compute_cst_scope_hash() == "b64u:" + hash_of(spelled)


@pytest.mark.parametrize("name", ["token_scope_hash_b64u", "ticket", "policy_hash_b64u", "requester", "agent_did"])
def test_a_job_holds_every_member_of_its_tuple(name: str) -> None:
    record = read("token_issued", honest().payloads["token"])
    assert isinstance(record, TokenIssued)
    other: dict[str, Any] = {name: "another"}
    assert replace(record, **other).job_tuple() != record.job_tuple()


def test_a_receipt_without_metadata_may_be_longer_than_metadata_may() -> None:
    assert edited("receipt_1", both(dropping("metadata"), setting(model="m" * 20_000))) is None
    assert edited("receipt_1", setting(model="m" * 20_000)) is None
    assert edited("receipt_1", lambda p: p["metadata"].update(note="m" * 20_000)) == "SCHEMA_VALIDATION_FAILED"


def test_the_small_records_are_found_by_what_they_are_about() -> None:
    violation = honest().header("violation", "v") | {"code": "CODE", "seen": [], "expected": "", "found": "", "done": ""}
    about = {"ticket": "jira.example:CHG-7", "job_id": "job-7", "run_id": "run-7"}
    refs = {"ticket": "jira.example:CHG-7", "job": "job-7", "run": "run-7"}
    for name, ref in zip(about, refs, strict=True):
        record: Any = read("violation", violation | {name: about[name]})
        assert record.refs() == {ref: refs[ref]}
    step_up = honest().header("step_up", "s") | {"approval_b64u": hash_of(b"x"), "subject": "p", "issuer": "i", "acr": []}
    step_up |= {name: hash_of(b"y") for name in ("subject_hash", "token_salted_hash", "jwks_b64u")}
    shown: Any = read("step_up", step_up | {"auth_time": 1})
    assert shown.refs() == {"target": hash_of(b"x")}
