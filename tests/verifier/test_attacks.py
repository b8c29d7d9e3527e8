"""Dishonest evidence, one test an attack, named for it: the verdict and its reason code."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.verifier.changebuilder import (
    OWNER,
    REQUESTER,
    ROLE_KEYS,
    SECURITY,
    START,
    Change,
    Payload,
    approval_refs,
    at,
    default_people,
    default_plan,
    default_policy,
    envelope,
    event_hash,
    ref,
    trust_toml,
)
from tests.verifier.judging import (
    assert_fails,
    assert_passes,
    assert_undecided,
    binding,
    scoped,
    setting,
    verdict,
)
from tests.verifier.logbuilder import Key, LogBuilder, b64, b64u, hash_of, jcs, mth, proof, sha

STRANGER = Key("stranger")


def build(**options: Any) -> Change:
    return Change(**options).build()


def policy_with(tool: str, **members: Any) -> Payload:
    policy = default_policy()
    policy["tools"][tool].update(members)
    return policy


def test_an_honest_change_passes_and_lists_what_is_not_proven() -> None:
    report = verdict(build())
    assert_passes(report)
    assert any("two keys are not in one hand" in line for line in report.not_proven)
    assert any("split views" in line for line in report.not_proven)


# --- people


def test_an_approval_with_a_forged_signature() -> None:
    def forge(change: Change) -> None:
        payload = change.approval("approve_execute_1", "change.execute", "p-owner")
        refs = {name: ref(value) for name, value in approval_refs(payload).items() if value}
        change.hashes["approve_execute_1"] = change.log.add(
            "human_approval_receipt", payload, refs=refs, signer=STRANGER, did=OWNER.did
        )

    change = build(skip={"approve_execute_1"}, before={"approve_execute_1": forge})
    assert_fails(verdict(change), "SIGNATURE_INVALID")


def test_an_approval_by_a_stranger() -> None:
    assert_fails(verdict(build(signer={"approve_execute_1": STRANGER})), "SIGNER_NOT_TRUSTED")


def test_an_approval_by_the_agent() -> None:
    assert_fails(verdict(build(signer={"approve_execute_1": ROLE_KEYS["agents"]})), "SIGNER_WRONG_ROLE")


def test_the_same_person_approves_twice() -> None:
    change = build(signer={"approve_execute_2": OWNER}, edit={"approve_execute_2": setting(approver_subject="p-owner")})
    assert_fails(verdict(change), "APPROVAL_SAME_PERSON")


def test_one_person_approves_with_two_keys() -> None:
    people = default_people()
    people[0]["keys"].append(STRANGER.did)
    people[0]["roles"].append("platform_security")
    change = build(
        people=people,
        signer={"approve_execute_2": STRANGER},
        edit={"approve_execute_2": setting(approver_subject="p-owner")},
    )
    assert_fails(verdict(change), "APPROVAL_SAME_PERSON")


def test_one_approval_listed_twice() -> None:
    change = build(edit={"decide_execute": lambda p: p.update(approvals=[p["approvals"][0]] * 2)})
    assert_fails(verdict(change), "APPROVAL_SAME_PERSON")


def test_two_people_share_a_key() -> None:
    people = default_people()
    people[1]["keys"].append(OWNER.did)
    assert_fails(verdict(build(people=people)), "ROSTER_MISSING")


def test_a_role_key_in_the_roster() -> None:
    people = default_people()
    people[0]["keys"].append(ROLE_KEYS["runners"].did)
    change = build(people=people, signer={"approve_execute_1": ROLE_KEYS["runners"]})
    assert_fails(verdict(change), "SIGNER_WRONG_ROLE")


def test_a_role_is_missing() -> None:
    people = default_people()
    people[1]["roles"] = ["service_owner"]
    assert_fails(verdict(build(people=people)), "APPROVAL_ROLE_MISSING")


def test_one_person_cannot_fill_two_roles() -> None:
    people = default_people()
    people[0]["roles"] = ["service_owner", "platform_security"]
    people[1]["roles"] = ["other"]
    assert_fails(verdict(build(people=people)), "APPROVAL_ROLE_MISSING")


def test_the_requester_approves() -> None:
    change = build(signer={"approve_execute_1": REQUESTER}, edit={"approve_execute_1": setting(approver_subject="p-req")})
    assert_fails(verdict(change), "APPROVAL_BY_REQUESTER")


def test_the_requester_is_not_in_the_roster() -> None:
    assert_fails(verdict(build(people=default_people()[:2])), "REQUESTER_UNKNOWN")


def test_too_few_approvals() -> None:
    assert_fails(verdict(build(skip={"approve_execute_2"})), "APPROVALS_INSUFFICIENT")


def test_no_approvals_to_close() -> None:
    change = build(skip={"approve_close_1", "approve_close_2"})
    assert_fails(verdict(change), "APPROVALS_INSUFFICIENT")


def test_an_approval_in_the_name_of_somebody_else() -> None:
    change = build(edit={"approve_execute_1": setting(approver_subject="p-sec")})
    assert_fails(verdict(change), "APPROVAL_NOT_PERMITTED")


def test_an_approver_who_holds_the_agents_key_too() -> None:
    people = default_people()
    people[0]["keys"].append(ROLE_KEYS["agents"].did)
    assert_fails(verdict(build(people=people)), "APPROVAL_BY_REQUESTER")


def test_an_automatic_approval() -> None:
    change = build(edit={"approve_execute_1": setting(approval_type="auto_approve")})
    assert_fails(verdict(change), "APPROVAL_MISMATCH")


def test_a_denial_counted_as_present() -> None:
    change = build(edit={"approve_execute_1": setting(approval_type="explicit_deny")})
    assert_fails(verdict(change), "JOB_DENIED")


def test_a_person_who_has_left() -> None:
    people = default_people()
    people[0]["valid_until"] = at(5)
    assert_fails(verdict(build(people=people)), "APPROVAL_NOT_PERMITTED")


def test_an_approver_removed_by_a_newer_roster() -> None:
    def replace(change: Change) -> None:
        change.put_roster("roster_2", 2, change.hashes["roster"], default_people()[1:])

    assert_fails(verdict(build(before={"decide_execute": replace})), "APPROVAL_NOT_PERMITTED")


def test_an_old_roster_logged_again_has_no_effect() -> None:
    def again(change: Change) -> None:
        change.put_roster("roster_2", 2, change.hashes["roster"], default_people()[1:])
        change.put_roster("roster_old", 1, None, default_people())

    assert_fails(verdict(build(before={"decide_execute": again})), "APPROVAL_NOT_PERMITTED")


# --- approvals moved elsewhere


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (setting(plan_hash_b64u=hash_of(b"another plan")), "APPROVAL_MISMATCH"),
        (setting(policy_hash_b64u=hash_of(b"another policy")), "APPROVAL_MISMATCH"),
        (setting(agent_did=Key("another agent").did), "APPROVAL_MISMATCH"),
        (binding(token_scope_hash_b64u=hash_of(b"another job")), "APPROVAL_MISMATCH"),
        (binding(run_id="another-run"), "RUN_MISMATCH"),
        (lambda p: p["binding"].pop("nonce"), "APPROVAL_MISMATCH"),
        (setting(receipt_id="a-clawsig-approval"), "APPROVAL_MISMATCH"),
    ],
    ids=["plan", "policy", "agent", "job", "run", "no-nonce", "not-ours"],
)
def test_an_approval_of_another(edit: Any, code: str) -> None:
    assert_fails(verdict(build(edit={"approve_execute_1": edit})), code)


def test_an_approval_of_another_scope() -> None:
    """It is nobody's word on this one: as a gate that looks for approvals of the scope tells it, too few are left."""
    change = build(edit={"approve_execute_1": setting(scope_hash_b64u=hash_of(b"another scope"))})
    assert_fails(verdict(change), "APPROVALS_INSUFFICIENT", "APPROVAL_MISMATCH")


def test_an_approval_of_another_scope_besides_enough_others() -> None:
    """Two people are enough; what is listed besides must count too."""

    def besides(change: Change) -> None:
        change._approve("approve_besides", "change.execute")

    change = Change(
        before={"decide_execute": besides},
        edit={
            "approve_besides": setting(scope_hash_b64u=hash_of(b"another scope")),
            "decide_execute": lambda p: p["approvals"].append(change.hashes["approve_besides"]),
        },
    )
    assert_fails(verdict(change.build()), "APPROVAL_MISMATCH")


def test_an_approval_for_executing_used_for_closing() -> None:
    def reuse(payload: Payload) -> None:
        payload["approvals"] = [change.hashes["approve_execute_1"], change.hashes["approve_execute_2"]]

    change = Change(edit={"decide_close": reuse})
    assert_fails(verdict(change.build()), "APPROVALS_INSUFFICIENT", "APPROVAL_ALREADY_USED")


def test_an_expired_approval() -> None:
    change = build(edit={"approve_execute_1": setting(timestamp=at(-4000))})
    assert_fails(verdict(change), "APPROVAL_EXPIRED")


def test_an_approval_dated_far_ahead() -> None:
    change = build(edit={"approve_execute_1": setting(timestamp=at(10 + 301 + 1))})
    assert_fails(verdict(change), "CLOCK_SKEW")


def test_an_approval_dated_later_than_witnesses_saw_it() -> None:
    witness = Key("witness")
    time_s = int(at_seconds(-4000))
    change = build(cosigners=(("w.example", witness, time_s + 9000),))
    pack = change.pack()
    note = change.log.note(9, cosigners=(("w.example", witness, time_s),))
    pack["anchors"] = [{"checkpoint": note, "consistency_proof": consistency(change.log, 9)}]
    trust = trust_toml(witnesses=(("w.example", witness),), quorum="w.example")
    assert_fails(verdict(pack, trust=trust), "APPROVAL_EXPIRED")


def at_seconds(seconds: float) -> float:
    return START.timestamp() + seconds


def consistency(log: LogBuilder, size: int) -> list[str]:
    return [b64(node) for node in proof(size, log.leaves())]


def test_an_approval_logged_before_the_simulation() -> None:
    known = build().hashes["simulation"]

    def early(change: Change) -> None:
        change.hashes["simulation"] = known
        change._approve("approve_execute_1", "change.execute")
        change._approve("approve_execute_2", "change.execute")

    change = build(before={"simulation": early}, skip={"approve_execute_1", "approve_execute_2"})
    assert_fails(verdict(change), "APPROVAL_MISMATCH")


def test_an_approval_listed_but_logged_after_the_view() -> None:
    def late(payload: Payload) -> None:
        payload["view"] = {"size": 8, "root_b64u": b64u(mth(change.log.leaves(8)))}
        payload["evidence"] = [seen for seen in payload["evidence"] if seen["index"] < 8]

    change = Change(edit={"decide_execute": late})
    assert_fails(verdict(change.build()), "APPROVAL_MISMATCH")


# --- restrictions


def revoking(target: str, key: Key) -> Any:
    return lambda change: change.revoke("revoke", target.format(**change.hashes, t=change.token_hash), key)


@pytest.mark.parametrize(
    ("target", "key", "code"),
    [
        ("approval:{approve_execute_1}", OWNER, "APPROVAL_REVOKED"),
        ("token:{t}", ROLE_KEYS["token_issuers"], "TOKEN_REVOKED"),
        ("job:job-7", ROLE_KEYS["token_issuers"], "JOB_REVOKED"),
        ("policy:{policy}", ROLE_KEYS["policy_issuers"], "POLICY_REVOKED"),
        (f"key:{OWNER.did}", OWNER, "KEY_REVOKED"),
        (f"key:{OWNER.did}", ROLE_KEYS["roster_authorities"], "KEY_REVOKED"),
        (f"key:{ROLE_KEYS['gates'].did}", ROLE_KEYS["roster_authorities"], "KEY_REVOKED"),
    ],
    ids=["approval", "token", "job", "policy", "own-key", "key-by-authority", "gate-key"],
)
def test_deciding_after_a_revocation_of(target: str, key: Key, code: str) -> None:
    assert_fails(verdict(build(before={"decide_execute": revoking(target, key)})), code)


def test_a_revocation_by_somebody_who_may_not_has_no_effect() -> None:
    change = build(before={"decide_execute": revoking("job:job-7", OWNER)})
    assert_passes(verdict(change))


def test_closing_after_a_used_approval_was_revoked() -> None:
    change = build(before={"decide_close": revoking("approval:{approve_execute_1}", OWNER)})
    assert_fails(verdict(change), "APPROVAL_REVOKED")


def test_a_renewed_token_does_not_revive_a_job_whose_token_was_revoked() -> None:
    def renew(change: Change) -> None:
        change.revoke("revoke", f"token:{change.token_hash}", ROLE_KEYS["token_issuers"])
        change.put_token("token_2", sha(b"renewed").hex())

    change = build(before={"decide_execute": renew}, edit={"decide_execute": setting(token_hash=sha(b"renewed").hex())})
    assert_fails(verdict(change), "TOKEN_REVOKED")


def test_a_superseded_policy() -> None:
    def supersede(change: Change) -> None:
        newer = default_policy() | {"policy_name": "newer", "supersedes": f"b64u:{change.policy_hash}"}
        change.put_policy("policy_2", newer)

    assert_fails(verdict(build(before={"decide_execute": supersede})), "POLICY_SUPERSEDED")


def test_deciding_after_a_denial_of_the_job() -> None:
    change = build(before={"decide_execute": lambda c: c.deny("deny", "p-sec", SECURITY)})
    assert_fails(verdict(change), "JOB_DENIED")


def test_closing_after_a_denial_of_the_job() -> None:
    change = build(before={"decide_close": lambda c: c.deny("deny", "p-sec", SECURITY)})
    assert_fails(verdict(change), "JOB_DENIED")


def test_a_plan_denied_in_another_job() -> None:
    def deny(change: Change) -> None:
        bound = {"run_id": "run-1", "token_scope_hash_b64u": hash_of(b"job 1"), "nonce": "n"}
        change.deny("deny", "p-sec", SECURITY, scope_hash_b64u=hash_of(b"scope 1"), binding=bound)

    assert_fails(verdict(build(before={"token": deny})), "PLAN_DENIED")


def test_a_denial_by_a_stranger_has_no_effect() -> None:
    change = build(before={"decide_execute": lambda c: c.deny("deny", "p-sec", STRANGER)})
    assert_passes(verdict(change))


def test_a_tombstone_over_a_denial() -> None:
    def deny_and_erase(change: Change) -> None:
        change.deny("deny", "p-sec", SECURITY)
        erase(change, "deny")

    change = build(before={"decide_execute": deny_and_erase})
    assert_fails(verdict(change), "PAYLOAD_MISSING")


def erase(change: Change, step: str) -> None:
    index = change.log.index_of(change.hashes[step])
    item = change.log.items[index]
    payload = change.header("tombstone", "tombstone " + step) | {
        "payload_b64u": change.hashes[step],
        "index": index,
        "leaf_hash_b64u": b64u(sha(b"\x00" + item.entry)),
        "rule": "retention",
        "reason": "test",
    }
    key = ROLE_KEYS["custodians"]
    change.put("tombstone " + step, "tombstone", payload, key, lambda p: {"target": p["payload_b64u"]})
    item.payload = None


def test_an_erased_receipt_leaves_the_change_undecided() -> None:
    change = build(before={"after": lambda c: erase(c, "receipt_1")})
    assert_undecided(verdict(change), "PAYLOAD_ERASED")


def test_an_erased_bundle_leaves_the_change_undecided() -> None:
    change = build(before={"after": lambda c: erase(c, "bundle")})
    assert_undecided(verdict(change), "PAYLOAD_ERASED")


def test_erasing_while_the_job_is_open() -> None:
    change = build(before={"decide_close": lambda c: erase(c, "receipt_1")})
    assert_fails(verdict(change), "PAYLOAD_MISSING")


def test_a_withheld_payload() -> None:
    pack = build().pack()
    del pack["entries"][3]["payload"]
    assert_fails(verdict(pack), "PAYLOAD_MISSING")


# --- policy, token, tool, plan


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        (policy_with("change.execute", allowed=False), "TOOL_NOT_ALLOWED"),
        (policy_with("change.simulate", allowed=False), "TOOL_NOT_ALLOWED"),
        (policy_with("change.execute", environments=["staging"]), "ENVIRONMENT_NOT_ALLOWED"),
        (policy_with("change.execute", change_types=["schema"]), "CHANGE_TYPE_NOT_ALLOWED"),
        (policy_with("change.execute", step_up={"acr": ["mfa"], "max_age_s": 60}), "STEP_UP_UNSUPPORTED"),
        (policy_with("change.execute", step_up_approvals=3), "APPROVALS_INSUFFICIENT"),
        (policy_with("change.simulate", required_before=[]), "POLICY_INVALID"),
        (policy_with("change.execute", unknown_rule=True), "POLICY_INVALID"),
        (default_policy() | {"valid_until": at(5)}, "POLICY_NOT_IN_FORCE"),
        (default_policy() | {"wpc_version": "2"}, "POLICY_VERSION_UNKNOWN"),
        (default_policy() | {"policy_hash": "b64u:" + hash_of(b"")}, "POLICY_INVALID"),
    ],
    ids=[
        "forbids-tool",
        "forbids-simulating",
        "forbids-environment",
        "forbids-type",
        "demands-step-up",
        "demands-three",
        "empty-list",
        "unknown-member",
        "expired",
        "unknown-version",
        "draft",
    ],
)
def test_a_policy_that(policy: Payload, code: str) -> None:
    assert_fails(verdict(build(policy=policy)), code)


def test_a_policy_that_demands_proof_of_possession() -> None:
    policy = default_policy()
    policy["token_requirements"]["proof_of_possession"] = True
    assert_fails(verdict(build(policy=policy)), "PROOF_OF_POSSESSION_UNSUPPORTED")


def test_a_tool_that_the_policy_does_not_list() -> None:
    policy = default_policy()
    del policy["tools"]["change.execute"]
    assert_fails(verdict(build(policy=policy)), "TOOL_NOT_LISTED")


def test_a_policy_without_a_quorum_of_issuers() -> None:
    trust = trust_toml().replace(b"policy = 1", b"policy = 2")
    assert_fails(verdict(build(), trust=trust), "POLICY_NOT_IN_FORCE")


def test_a_required_step_that_was_skipped() -> None:
    policy = policy_with("change.execute", required_before=["ticket.close"])
    policy["tools"]["ticket.approve"] = {
        "allowed": True,
        "step_up_approvals": 1,
        "required_before": ["change.execute"],
    }
    assert_fails(verdict(build(policy=policy)), "REQUIRED_STEP_MISSING")


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (setting(ticket="jira.example:CHG-8"), "EVIDENCE_FOREIGN"),
        (setting(requester="p-owner"), "TOKEN_TICKET_MISMATCH"),
        (setting(token_scope_hash_b64u=hash_of(b"another")), "TOKEN_SCOPE_MISMATCH"),
        (setting(aud=["elsewhere.example"]), "TOKEN_SCOPE_MISMATCH"),
        (setting(policy_hash_b64u=hash_of(b"another")), "TOKEN_SCOPE_MISMATCH"),
        (lambda p: p.update(exp=p["iat"] + 5), "TOKEN_EXPIRED"),
        (lambda p: p.update(exp=p["iat"] + 901), "TOKEN_TTL_EXCEEDED"),
        (lambda p: p.update(exp=p["iat"]), "SCHEMA_VALIDATION_FAILED"),
    ],
    ids=["ticket", "requester", "scope", "audience", "policy", "expired", "ttl", "never-alive"],
)
def test_a_token_of_another(edit: Any, code: str) -> None:
    assert_fails(verdict(build(edit={"token": edit})), code)


def test_a_token_that_was_never_logged() -> None:
    change = build(edit={"decide_execute": setting(token_hash=sha(b"unlogged").hex())})
    assert_fails(verdict(change), "TOKEN_NOT_LOGGED")


def test_a_token_record_signed_by_the_gate() -> None:
    assert_fails(verdict(build(signer={"token": ROLE_KEYS["gates"]})), "SIGNER_WRONG_ROLE")


@pytest.mark.parametrize(
    ("step", "edit", "code"),
    [
        ("simulation", setting(outcome="failure"), "SIMULATION_FAILED"),
        ("simulation", setting(plan_hash_b64u=hash_of(b"another plan")), "PLAN_MISMATCH"),
        ("simulation", setting(run_id="another-run"), "RUN_MISMATCH"),
        ("simulation", setting(policy_hash_b64u=hash_of(b"another")), "POLICY_MISMATCH"),
        ("decide_execute", scoped(simulation_b64u=hash_of(b"unlogged")), "SIMULATION_MISSING"),
        ("decide_execute", scoped(plan_hash_b64u=hash_of(b"unapproved plan")), "PLAN_MISMATCH"),
        ("decide_execute", scoped(environment="staging"), "PLAN_MISMATCH"),
        ("decide_execute", scoped(round="2"), "ROUND_MISMATCH"),
        ("begin", setting(plan_hash_b64u=hash_of(b"another plan")), "EXECUTION_MISMATCH"),
        ("begin", setting(environment="staging"), "EXECUTION_MISMATCH"),
        ("end", setting(outcome="failure"), "EXECUTION_FAILED"),
        ("end", setting(begin_b64u=hash_of(b"another begin")), "EXECUTION_OUTCOME_UNKNOWN"),
    ],
)
def test_drift_in(step: str, edit: Any, code: str) -> None:
    assert_fails(verdict(build(edit={step: edit})), code)


def test_a_simulation_signed_by_the_agent() -> None:
    assert_fails(verdict(build(signer={"simulation": ROLE_KEYS["agents"]})), "SIGNER_WRONG_ROLE")


def test_a_plan_missing_from_the_pack() -> None:
    pack = build().pack()
    pack["payloads"] = []
    assert_undecided(verdict(pack), "PLAN_MISSING")


def test_a_plan_swapped_in_the_pack() -> None:
    pack = build().pack()
    pack["payloads"][0]["text"] = jcs(default_plan() | {"body": {"set": {"replicas": 9}}}).decode()
    assert_fails(verdict(pack), "HASH_MISMATCH")


def test_a_plan_that_is_not_canonical() -> None:
    change = Change()
    change.plan = {"ticket": change.ticket, **default_plan()}

    class Sloppy(Change):
        @property
        def plan_bytes(self) -> bytes:
            return jcs(self.plan).replace(b'":', b'": ', 1)

    assert_fails(verdict(Sloppy().build()), "PLAN_NOT_CANONICAL")


# --- decision, execution, closure


def test_a_decision_signed_by_the_agent() -> None:
    assert_fails(verdict(build(signer={"decide_execute": ROLE_KEYS["agents"]})), "SIGNER_WRONG_ROLE")


def test_a_decision_after_its_gate_was_cut_off() -> None:
    gate = f'{{did = "{ROLE_KEYS["gates"].did}", until_index = 12}}'
    assert_fails(verdict(build(), trust=trust_toml(roles={"gates": [gate]})), "SIGNER_NOT_TRUSTED")


def test_a_decision_that_lives_too_long() -> None:
    change = build(edit={"decide_execute": setting(expires_at=at(1000))})
    assert_fails(verdict(change), "DECISION_INVALID")


def test_a_decision_on_a_view_of_another_log() -> None:
    change = build(edit={"decide_execute": lambda p: p["view"].update(root_b64u=hash_of(b"fork"))})
    assert_fails(verdict(change), "VIEW_INVALID")


def test_a_view_in_the_pack_that_does_not_lead_to_the_checkpoint() -> None:
    pack = build().pack()
    pack["views"][0]["root_b64u"] = hash_of(b"fork")
    assert_fails(verdict(pack), "CONSISTENCY_PROOF_INVALID")


def test_a_decision_that_left_something_out() -> None:
    change = build(edit={"decide_execute": lambda p: p["evidence"].pop(3)})
    assert_fails(verdict(change), "EVIDENCE_INCOMPLETE")


def test_a_pack_that_lacks_what_a_decision_lists() -> None:
    pack = build().pack(leave_out=lambda index: index == 4)
    assert_fails(verdict(pack), "EVIDENCE_INCOMPLETE")


def test_a_decision_that_lists_another_leaf() -> None:
    change = build(edit={"decide_execute": lambda p: p["evidence"][0].update(leaf_hash_b64u=hash_of(b"x"))})
    assert_fails(verdict(change), "EVIDENCE_INCOMPLETE")


def test_a_decision_later_than_the_time_of_judging() -> None:
    report = verdict(build(), at_ns=int(at_seconds(-400) * 1e9))
    assert_undecided(report, "DECISION_IN_FUTURE")


def test_executing_under_a_withdrawn_decision() -> None:
    change = build(before={"begin": lambda c: c.withdraw("withdraw", "decide_execute")})
    assert_fails(verdict(change), "DECISION_WITHDRAWN")


def test_closing_under_a_withdrawn_decision() -> None:
    change = build(before={"closure": lambda c: c.withdraw("withdraw", "decide_close")})
    assert_fails(verdict(change), "DECISION_WITHDRAWN")


def test_a_withdrawal_after_the_begin_does_not_touch_it() -> None:
    change = build(before={"end": lambda c: c.withdraw("withdraw", "decide_execute")})
    assert_passes(verdict(change))


def test_executing_after_the_decision_expired() -> None:
    change = build(edit={"begin": setting(issued_at=at(200))})
    assert_fails(verdict(change), "DECISION_EXPIRED")


def test_executing_before_the_decision() -> None:
    change = build(edit={"begin": setting(issued_at=at(1))})
    assert_fails(verdict(change), "DECISION_EXPIRED")


def test_executing_without_a_decision() -> None:
    assert_fails(verdict(build(skip={"decide_execute"})), "DECISION_NOT_LOGGED")


def test_executing_under_a_decision_to_close() -> None:
    def swap(payload: Payload) -> None:
        payload["decision_b64u"] = change.hashes["decide_close"]

    change = Change(before={"after": lambda c: c._begin("begin_2")}, edit={"begin_2": swap})
    assert_fails(verdict(change.build()), "DECISION_INVALID")


def test_closing_while_an_outcome_is_unknown() -> None:
    assert_fails(verdict(build(skip={"end"})), "EXECUTION_OUTCOME_UNKNOWN")


def test_two_allows_on_one_set_of_approvals() -> None:
    def again(change: Change) -> None:
        approvals = [change.hashes["approve_execute_1"], change.hashes["approve_execute_2"]]
        change.put_decision("decide_2", change.decision("decide_2", "change.execute", approvals))

    def use(payload: Payload) -> None:
        payload["decision_b64u"] = change.hashes["decide_2"]

    change = Change(before={"begin": again}, edit={"begin": use, "end": use})
    assert_fails(verdict(change.build()), "APPROVALS_INSUFFICIENT", "APPROVAL_ALREADY_USED")


def test_a_second_allow_of_the_same_scope_is_void() -> None:
    def again(change: Change) -> None:
        payload = copy.deepcopy(change.payloads["decide_execute"]) | {"salt": b64u(bytes(16))}
        change.put_decision("decide_2", payload)

    def use(payload: Payload) -> None:
        payload["decision_b64u"] = change.hashes["decide_2"]

    change = Change(before={"begin": again}, edit={"begin": use, "end": use})
    assert_fails(verdict(change.build()), "CONFLICT")


def test_a_change_without_a_closure() -> None:
    assert_undecided(verdict(build(skip={"closure"})), "CLOSURE_MISSING")


def test_a_change_that_only_waits_for_its_closure() -> None:
    report = verdict(build(skip={"approve_close_1", "approve_close_2", "decide_close", "closure"}))
    assert any(check.code == "CLOSURE_MISSING" for check in report.checks)
    assert report.exit_code == 3


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (setting(closing_reason="closed"), "CLOSURE_INVALID"),
        (setting(bundle_b64u=hash_of(b"another")), "CLOSURE_INVALID"),
        (setting(ticket="jira.example:CHG-8"), "CLOSURE_INVALID"),
        (setting(closed_at=at(500)), "DECISION_EXPIRED"),
        (setting(decision_b64u=hash_of(b"none")), "DECISION_NOT_LOGGED"),
    ],
    ids=["reason", "bundle", "ticket", "late", "decision"],
)
def test_a_closure_with_another(edit: Any, code: str) -> None:
    change = build(edit={"closure": edit})
    pack = change.pack()
    del pack["subject"]["bundle"]
    assert_fails(verdict(pack), code)


def test_a_closure_signed_by_the_runner() -> None:
    assert_fails(verdict(build(signer={"closure": ROLE_KEYS["runners"]})), "SIGNER_WRONG_ROLE")


# --- bundle and receipts


@pytest.mark.parametrize(
    "reason",
    ["done", "bundle:{b} and bundle:{b}", "xbundle:{b}", "bundle:{b}x", "bundle:" + "A" * 43],
    ids=["none", "twice", "touching-before", "touching-after", "another"],
)
def test_a_closing_reason_with_a_bad_reference(reason: str) -> None:
    def edit(payload: Payload) -> None:
        payload["closing_reason"] = reason.format(b=payload["scope"]["bundle_b64u"])

    assert_fails(verdict(build(edit={"decide_close": edit})), "BUNDLE_REFERENCE_MISSING")


def test_closing_without_a_logged_bundle() -> None:
    assert_fails(verdict(build(skip={"bundle"})), "BUNDLE_NOT_LOGGED")


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda p: p["metadata"]["change"].update(ticket="jira.example:CHG-8"), "BUNDLE_MISMATCH"),
        (lambda p: p["metadata"]["change"].update(simulation_b64u=hash_of(b"x")), "BUNDLE_MISMATCH"),
        (lambda p: p["metadata"]["change"].update(execution_b64u=hash_of(b"x")), "BUNDLE_MISMATCH"),
        (lambda p: p["metadata"]["change"].update(decision_b64u=hash_of(b"x")), "BUNDLE_MISMATCH"),
        (lambda p: p["metadata"]["change"].update(more="x"), "BUNDLE_MISMATCH"),
        (lambda p: p["metadata"].pop("change"), "BUNDLE_MISMATCH"),
        (lambda p: p["receipts"].pop(), "RECEIPT_SET_INCOMPLETE"),
        (lambda p: (p["receipts"].pop(), p["event_chain"].pop()), "RECEIPT_SET_INCOMPLETE"),
        (lambda p: p["event_chain"].pop(), "RECEIPT_BINDING_MISMATCH"),
        (lambda p: p["event_chain"][1].update(timestamp=at(0)), "EVENT_CHAIN_INVALID"),
        (lambda p: p["receipts"][0].update(signature_b64u=b64u(bytes(64))), "SIGNATURE_INVALID"),
        (lambda p: p["receipts"][0]["payload"].update(model="cheaper"), "HASH_MISMATCH"),
    ],
    ids=[
        "ticket",
        "simulation",
        "execution",
        "decision",
        "extra-member",
        "no-change",
        "receipt-left-out",
        "receipt-and-event-left-out",
        "truncated-chain",
        "changed-event",
        "forged-receipt",
        "changed-receipt",
    ],
)
def test_a_bundle_with_a_wrong(edit: Any, code: str) -> None:
    assert_fails(verdict(build(edit={"bundle": edit})), code)


def test_an_event_chain_whose_clock_runs_backwards() -> None:
    def edit(payload: Payload) -> None:
        payload["receipts"] = []
        del payload["receipts"]
        chain = payload["event_chain"]
        previous = None
        for event, seconds in zip(chain, (5, 4, 6), strict=True):
            event.update(timestamp=at(seconds), prev_hash_b64u=previous, event_type="step")
            event["event_hash_b64u"] = previous = event_hash(event)

    assert_fails(verdict(build(edit={"bundle": edit})), "EVENT_CHAIN_INVALID")


def test_a_bundle_of_another_agent() -> None:
    other = Key("another agent")
    trust = trust_toml(roles={"agents": [f'"{ROLE_KEYS["agents"].did}"', f'"{other.did}"']})
    change = build(signer={"bundle": other}, edit={"bundle": setting(agent_did=other.did)})
    assert_fails(verdict(change, trust=trust), "BUNDLE_MISMATCH")


def test_a_bundle_signed_by_somebody_else_than_its_agent() -> None:
    other = Key("another agent")
    trust = trust_toml(roles={"agents": [f'"{ROLE_KEYS["agents"].did}"', f'"{other.did}"']})
    assert_fails(verdict(build(signer={"bundle": other}), trust=trust), "PROOF_BUNDLE_AGENT_MISMATCH")


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (binding(token_scope_hash_b64u=hash_of(b"another job")), "RECEIPT_SET_INCOMPLETE"),
        (lambda p: p["binding"].pop("token_scope_hash_b64u"), "RECEIPT_SET_INCOMPLETE"),
        (binding(policy_hash=hash_of(b"another policy")), "RECEIPT_SET_INCOMPLETE"),
        (lambda p: p["binding"].pop("event_hash_b64u"), "RECEIPT_BINDING_MISMATCH"),
        (lambda p: p["metadata"]["event"].update(event_type="other"), "RECEIPT_BINDING_MISMATCH"),
    ],
    ids=["job", "no-job", "policy", "no-event", "event-header"],
)
def test_a_receipt_bound_to_another(edit: Any, code: str) -> None:
    assert_fails(verdict(build(edit={"receipt_2": edit})), code)


def test_a_receipt_of_another_run() -> None:
    assert_fails(verdict(build(edit={"receipt_2": binding(run_id="run-x")})), "RUN_MISMATCH")


def test_stolen_receipts_in_the_bundle() -> None:
    def steal(payload: Payload) -> None:
        stolen = copy.deepcopy(payload["receipts"][0]["payload"])
        stolen["binding"]["token_scope_hash_b64u"] = hash_of(b"the victim's job")
        stolen["receipt_id"] = "victim"
        payload["receipts"].append(envelope("gateway_receipt", stolen, ROLE_KEYS["gateways"], hash_of(stolen)))

    assert_fails(verdict(build(edit={"bundle": steal})), "RECEIPT_SET_INCOMPLETE")


def test_a_receipt_in_the_bundle_that_was_never_logged() -> None:
    def invent(payload: Payload) -> None:
        invented = copy.deepcopy(payload["receipts"][0]["payload"]) | {"receipt_id": "unlogged"}
        payload["receipts"].append(envelope("gateway_receipt", invented, ROLE_KEYS["gateways"], hash_of(invented)))

    assert_fails(verdict(build(edit={"bundle": invent})), "RECEIPT_SET_INCOMPLETE")


def test_a_receipt_signed_by_the_agent() -> None:
    change = build(signer={"receipt_1": ROLE_KEYS["agents"]})
    assert_fails(verdict(change), "SIGNER_WRONG_ROLE")


def test_no_model_call_has_a_receipt() -> None:
    change = build(skip={"receipt_1", "receipt_2", "receipt_3"})
    assert_fails(verdict(change), "RECEIPTS_MISSING")


def test_closing_a_plan_that_was_never_executed() -> None:
    """One plan is executed, another, simulated and approved too, is closed under a policy that asks no more."""
    policy = policy_with("change.execute", required_before=["ticket.resolve"])

    def swap(change: Change) -> None:
        change.plan = default_plan() | {"body": {"set": {"replicas": 9}}}
        change._simulation("simulation")

    change = build(policy=policy, before={"bundle": swap})
    assert_fails(verdict(change), "BUNDLE_MISMATCH")


def test_a_bundle_used_for_a_second_ticket() -> None:
    first = build()
    second = Change(log=first.log, ticket="jira.example:CHG-8", job="job-8", run="run-8", clock=100)
    second.plan = default_plan() | {"ticket": second.ticket}
    second.skip = {"bundle"}
    second.before = {"bundle": lambda c: c.hashes.update(bundle=first.hashes["bundle"])}
    assert_fails(verdict(second.build()), "BUNDLE_ALREADY_USED")


def test_a_second_change_in_the_same_log_passes() -> None:
    first = build()
    second = Change(log=first.log, ticket="jira.example:CHG-8", job="job-8", run="run-8", clock=100)
    second.plan = default_plan() | {"ticket": second.ticket}
    assert_passes(verdict(second.build()))
    assert_passes(verdict(first))
