"""Denials, revocations and what cannot be read: each ends or stops what it concerns, from its index on, and nothing else."""

from __future__ import annotations

import pytest

from tests.support import keys
from tests.support.payloads import hash_of, person
from tests.support.trust import trust_policy
from tests.unit.gate.story import CLOSE, EXECUTE, Story, people, plan_bytes, policy
from trustlog.gate.release import restrictions_since
from trustlog.keys.signer import SeedSigner
from trustlog.records.token_scope import compute_token_scope_hash

# Denials.


@pytest.mark.parametrize("approval_type", ["explicit_deny", "timeout_deny"])
def test_a_denial_ends_the_job(approval_type: str) -> None:
    story = Story().up_to_approvals()
    story.deny(approval_type=approval_type)
    assert story.codes(EXECUTE) == {"JOB_DENIED", "PLAN_DENIED"}
    story.approve(EXECUTE, "p-alice", "p-bob", "p-carol")
    assert "JOB_DENIED" in story.codes(EXECUTE)
    assert "JOB_DENIED" in story.codes("ticket.read")


def test_a_denial_of_the_plan_denies_its_bytes_in_every_job() -> None:
    story = Story().up_to_simulation()
    story.deny()
    story.job, story.run, story.events, story.receipts = "job-2", "run-2", [], []
    assert story.up_to_approvals().codes(EXECUTE) == {"PLAN_DENIED"}
    story.plan = plan_bytes(body={"limit": 100})
    story.simulate()
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == set()


@pytest.mark.parametrize(
    ("kept", "codes"),
    [
        ("scope_hash_b64u", {"JOB_DENIED"}),
        ("token_scope_hash_b64u", {"JOB_DENIED"}),
        ("plan_hash_b64u", {"PLAN_DENIED"}),
        ("run_id", set()),
    ],
)
def test_a_denial_concerns_the_job_by_scope_or_token_scope_and_the_plan_by_plan(kept: str, codes: set[str]) -> None:
    story = Story().up_to_approvals()
    denial = story.approval("p-carol", EXECUTE, approval_type="explicit_deny")
    denial["binding"] = {name: value for name, value in denial["binding"].items() if name == kept}
    if kept != "scope_hash_b64u":
        denial["scope_hash_b64u"] = hash_of("another scope")
    if kept != "plan_hash_b64u":
        del denial["plan_hash_b64u"]
    story.log("human_approval_receipt", denial, keys.CAROL)
    assert story.codes(EXECUTE) == codes


def test_a_denial_of_an_earlier_decisions_scope_ends_the_job() -> None:
    story = Story().up_to_approvals()
    denial = story.approval("p-carol", EXECUTE, approval_type="explicit_deny", binding={}, plan_hash_b64u=None)
    story.bundle(story.execute(story.decide(EXECUTE)))
    story.approve(CLOSE)
    assert story.codes(CLOSE) == set()
    story.log("human_approval_receipt", denial, keys.CAROL)
    assert story.codes(CLOSE) == {"JOB_DENIED"}


def test_a_stranger_denies_nothing() -> None:
    story = Story().up_to_approvals()
    denial = story.log(
        "human_approval_receipt", story.approval("p-carol", EXECUTE, approval_type="explicit_deny"), keys.STRANGER
    )
    assert denial.void == "SIGNER_NOT_TRUSTED"
    assert story.codes(EXECUTE) == set()


def test_a_denial_counts_by_its_key_whatever_name_it_gives() -> None:
    story = Story().up_to_approvals()
    story.log("human_approval_receipt", story.approval("p-alice", EXECUTE, approval_type="explicit_deny"), keys.CAROL)
    assert "JOB_DENIED" in story.codes(EXECUTE)


def test_a_denial_stands_when_its_key_is_revoked_or_its_person_leaves() -> None:
    story = Story().up_to_approvals()
    story.deny("p-carol")
    story.revoke(f"key:{keys.CAROL.did}")
    story.next_roster([people()[0], people()[1], people()[3]])
    assert "JOB_DENIED" in story.codes(EXECUTE)


def test_a_denial_by_a_revoked_key_is_void() -> None:
    story = Story().up_to_approvals()
    denial = story.approval("p-carol", EXECUTE, approval_type="explicit_deny")
    story.revoke(f"key:{keys.CAROL.did}")
    assert story.log("human_approval_receipt", denial, keys.CAROL).void == "KEY_REVOKED"
    assert story.codes(EXECUTE) == set()


@pytest.mark.parametrize("tie", ["token_scope", "scope", "plan"])
def test_an_unreadable_approval_tied_to_the_change_counts_as_a_denial(tie: str) -> None:
    story = Story().up_to_approvals()
    approval = story.approval("p-carol", EXECUTE)
    if tie != "token_scope":
        approval["binding"] = {}
    if tie != "scope":
        approval["scope_hash_b64u"] = hash_of("another scope")
    if tie != "plan":
        del approval["plan_hash_b64u"]
    story.withhold("human_approval_receipt", approval, keys.CAROL)
    assert story.codes(EXECUTE) == ({"PLAN_DENIED"} if tie == "plan" else {"JOB_DENIED"})


def test_an_unreadable_approval_of_another_change_is_none_of_ours() -> None:
    story = Story().up_to_approvals()
    approval = story.approval(
        "p-carol", EXECUTE, scope_hash_b64u=hash_of("else"), plan_hash_b64u=None, binding={"run_id": story.run}
    )
    story.withhold("human_approval_receipt", approval, keys.CAROL)
    assert story.codes(EXECUTE) == set()


# Revocations.


def target_of(story: Story, sort: str) -> str:
    return {
        "job": f"job:{story.job}",
        "token": f"token:{story.scoped.token_hash}",
        "policy": f"policy:{story.policy_hash}",
    }[sort]


REVOKED = {"job": "JOB_REVOKED", "token": "TOKEN_REVOKED", "policy": "POLICY_REVOKED"}


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("sort", REVOKED)
def test_a_revocation_stops_every_later_decision(sort: str, readable: bool) -> None:
    story = Story().up_to_approvals()
    story.revoke(target_of(story, sort), readable=readable)
    assert story.codes(EXECUTE) == {REVOKED[sort]}
    assert story.codes("ticket.read") == {REVOKED[sort]}


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("sort", REVOKED)
@pytest.mark.parametrize(
    "signer", [keys.AGENT, keys.STRANGER, keys.ALICE, keys.GATE, keys.CUSTODIAN], ids=lambda k: k.did[-4:]
)
def test_a_revocation_by_somebody_else_does_nothing(sort: str, readable: bool, signer: SeedSigner) -> None:
    story = Story().up_to_approvals()
    story.revoke(target_of(story, sort), signer, readable=readable)
    assert story.codes(EXECUTE) == set()


@pytest.mark.parametrize("length", [1, 90, 93, 96, 97, 128])
def test_ids_of_any_length_are_revoked(length: int) -> None:
    """A long value stands in a ref as its hash."""
    story = Story(job="j" * length, run="r" * length).up_to_approvals()
    assert story.codes(EXECUTE) == set()
    story.revoke(f"job:{story.job}")
    assert story.codes(EXECUTE) == {"JOB_REVOKED"}


def test_a_renewed_token_continues_the_job_and_any_revoked_one_ends_it() -> None:
    story = Story().up_to_approvals()
    first = story.scoped.token_hash
    story.pass_time(700)
    assert "TOKEN_EXPIRED" in story.codes(EXECUTE)
    story.issue()
    assert story.codes(EXECUTE) == set()
    story.revoke(f"token:{first}")
    assert story.codes(EXECUTE) == {"TOKEN_REVOKED"}


@pytest.mark.parametrize("signer", [keys.ROSTER_AUTHORITY, keys.BOB], ids=["authority", "its signer"])
@pytest.mark.parametrize("readable", [True, False])
def test_a_revoked_approval_does_not_count(signer: SeedSigner, readable: bool) -> None:
    story = Story().up_to_simulation()
    approval = story.approve(EXECUTE)[1]
    story.revoke(f"approval:{approval.payload_hash}", signer, readable=readable)
    assert story.codes(EXECUTE) >= {"APPROVAL_REVOKED", "APPROVALS_INSUFFICIENT"}
    story.approve(EXECUTE, "p-bob")
    assert story.codes(EXECUTE) == set()


def test_nobody_else_revokes_an_approval() -> None:
    story = Story().up_to_simulation()
    approval = story.approve(EXECUTE)[1]
    assert story.revoke(f"approval:{approval.payload_hash}", keys.ALICE).void == "REVOCATION_NOT_PERMITTED"
    assert story.codes(EXECUTE) == set()


def test_revoking_an_approval_that_was_used_ends_the_job() -> None:
    story = Story().up_to_approvals()
    allow = story.decide(EXECUTE)
    story.bundle(story.execute(allow))
    story.approve(CLOSE)
    assert story.codes(CLOSE) == set()
    story.revoke(f"approval:{allow.record.approvals[0]}")
    assert story.codes(CLOSE) == {"APPROVAL_REVOKED"}
    assert story.codes("ticket.read") == {"APPROVAL_REVOKED"}


@pytest.mark.parametrize("readable", [True, False])
def test_a_revoked_persons_key_approves_nothing_any_more(readable: bool) -> None:
    story = Story().up_to_approvals()
    story.revoke(f"key:{keys.BOB.did}", readable=readable)
    assert story.codes(EXECUTE) >= {"KEY_REVOKED", "APPROVALS_INSUFFICIENT"}


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize(
    ("signer", "code"),
    [(keys.RUNNER, "SIMULATION_MISSING"), (keys.GATEWAY, "RECEIPTS_MISSING"), (keys.GATE, None)],
    ids=["runner", "gateway", "gate"],
)
def test_what_a_revoked_key_signs_is_void_from_there_on(signer: SeedSigner, code: str | None, readable: bool) -> None:
    story = Story().govern()
    story.revoke(f"key:{signer.did}", readable=readable)
    story.up_to_simulation()
    if code is not None:
        assert code in story.codes(EXECUTE)
        return
    story.approve(EXECUTE)
    assert story.forge_allow(EXECUTE).void == "KEY_REVOKED"
    assert story.scope(EXECUTE)["round"] == "1"


def test_what_a_key_signed_before_its_revocation_stands() -> None:
    story = Story().up_to_approvals()
    for signer in (keys.RUNNER, keys.GATEWAY, keys.TOKEN_ISSUER, keys.POLICY_ISSUER):
        story.revoke(f"key:{signer.did}", signer)
    assert story.codes(EXECUTE) == set()


def test_a_key_revokes_itself_and_a_stranger_does_not_revoke_it() -> None:
    story = Story().up_to_approvals()
    assert story.revoke(f"key:{keys.BOB.did}", keys.STRANGER).void == "REVOCATION_NOT_PERMITTED"
    assert story.codes(EXECUTE) == set()
    story.revoke(f"key:{keys.BOB.did}", keys.BOB)
    assert "KEY_REVOKED" in story.codes(EXECUTE)


def test_a_revocation_acts_on_every_decision_with_a_higher_index_only() -> None:
    story = Story().up_to_approvals()
    before = story.decide(EXECUTE)
    story.revoke(f"job:{story.job}")
    assert story.rejudge(before) == set()


# Policies that were replaced.


def test_a_policy_is_superseded_by_one_in_force() -> None:
    story = Story().up_to_approvals()
    held = story.policy_hash
    story.publish_policy(policy(policy_name="next", supersedes=f"b64u:{held}"))
    story.policy_hash = held
    assert story.codes(EXECUTE) == {"POLICY_SUPERSEDED"}


@pytest.mark.parametrize("readable", [True, False])
def test_one_issuer_of_two_supersedes_nothing(readable: bool) -> None:
    second = keys.fixture_key("second issuer")
    trust = trust_policy(policy_quorum=2, roles={"policy_issuers": [keys.POLICY_ISSUER.did, second.did]})
    story = Story(trust=trust)
    document = policy()
    story.publish_policy(document, second)
    story.govern(document).up_to_approvals()
    assert story.codes(EXECUTE) == set()
    successor = policy(policy_name="next", supersedes=f"b64u:{story.policy_hash}")
    story.log("work_policy_contract", successor, keys.POLICY_ISSUER, readable=readable)
    assert story.codes(EXECUTE) == set()
    story.log("work_policy_contract", successor, second, readable=readable)
    assert story.codes(EXECUTE) == {"POLICY_SUPERSEDED"}


def test_an_unreadable_policy_of_someone_who_is_no_issuer_supersedes_nothing() -> None:
    story = Story().up_to_approvals()
    successor = policy(policy_name="next", supersedes=f"b64u:{story.policy_hash}")
    story.withhold("work_policy_contract", successor, keys.AGENT)
    assert story.codes(EXECUTE) == set()


def test_a_policy_needs_its_quorum() -> None:
    trust = trust_policy(policy_quorum=2, roles={"policy_issuers": [keys.POLICY_ISSUER.did, keys.STRANGER.did]})
    story = Story(trust=trust).govern().up_to_simulation()
    assert story.codes(EXECUTE) == {"POLICY_NOT_FOUND"}
    story.publish_policy(policy(), keys.STRANGER)
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == set()


# What cannot be read, and what lies.


@pytest.mark.parametrize("kind", ["token_issued", "simulation", "gate_decision", "execution", "closure"])
def test_an_unreadable_record_of_the_job_stops_it(kind: str) -> None:
    story = Story().up_to_closing()
    last = next(iter(story.view.of_kind("simulation", story.view.size)))
    payloads = {
        "token_issued": lambda: story.own("token_issued", token_hash="0" * 64, job_id=story.job),
        "simulation": lambda: story.own("simulation", **story.about()),
        "gate_decision": lambda: story.own("gate_decision", scope={**last_scope(story), "round": "7"}),
        "execution": lambda: story.own("execution", **story.about()),
        "closure": lambda: story.own("closure", job_id=story.job),
    }
    signer = {"token_issued": keys.TOKEN_ISSUER, "gate_decision": keys.GATE, "closure": keys.GATE}.get(kind, keys.RUNNER)
    payload = payloads[kind]()
    if kind == "token_issued":
        payload["token_scope_hash_b64u"] = scope_of(payload)
    assert last.candidate is not None
    story.withhold(kind, payload, signer)
    assert "PAYLOAD_UNREADABLE" in story.codes(CLOSE)


def last_scope(story: Story) -> dict[str, str]:
    return dict(next(iter(story.view.of_kind("gate_decision", story.view.size))).record.scope)


def scope_of(issuance: dict[str, object]) -> str:
    return compute_token_scope_hash(
        {
            "token_version": "1",
            "sub": issuance["agent_did"],
            "aud": issuance["aud"],
            "scope": issuance["scope"],
            "mission_id": issuance["job_id"],
            "policy_hash_b64u": issuance["policy_hash_b64u"],
        }
    )


def test_an_unreadable_roster_stops_everything() -> None:
    story = Story().up_to_approvals()
    roster = story.own("roster", number=2, previous_b64u=hash_of("x"), people=[person("p-x")])
    story.withhold("roster", roster, keys.ROSTER_AUTHORITY)
    assert "PAYLOAD_UNREADABLE" in story.codes(EXECUTE)


def test_an_unreadable_receipt_of_the_job_stops_it_and_one_of_another_does_not() -> None:
    story = Story().up_to_approvals()
    other = story.bound(token_scope_hash_b64u=hash_of("another scope"), run_id="run-9")
    receipt = {**story.receipts[0], "receipt_id": "hidden", "binding": other}
    story.withhold("gateway_receipt", receipt, keys.GATEWAY)
    assert story.codes(EXECUTE) == set()
    receipt = {**story.receipts[0], "receipt_id": "hidden too"}
    story.withhold("gateway_receipt", receipt, keys.GATEWAY)
    assert "PAYLOAD_UNREADABLE" in story.codes(EXECUTE)


@pytest.mark.parametrize("lie", ["refs", "cut", "garbage"])
def test_a_log_that_lies_is_not_decided_on(lie: str) -> None:
    story = Story().up_to_approvals()
    simulated = list(story.view.of_kind("simulation", story.view.size))[-1]
    assert simulated.candidate is not None
    lies = {"refs": simulated.data.replace(b'"job":"job-1"', b'"job":"job-9"'), "cut": simulated.data[:-30], "garbage": b"?"}
    story.append_bytes(lies[lie], simulated.candidate.payload_text)
    assert "LOG_LIES" in story.codes(EXECUTE)
    assert "LOG_LIES" in story.codes("ticket.read")


def test_an_entry_whose_signature_is_anothers_is_a_lie_even_if_its_payload_is_withheld() -> None:
    story = Story().up_to_approvals()
    mine, other = (one.data for one in list(story.view.of_kind("human_approval_receipt", story.view.size))[:2])
    forged = mine.replace(signature_in(mine), signature_in(other))
    story.append_entry(forged, None)
    assert "LOG_LIES" in story.codes(EXECUTE)


def signature_in(entry: bytes) -> bytes:
    return entry.partition(b'"signature_b64u":"')[2].partition(b'"')[0]


# Restrictions seen before an allow is released.


def test_nothing_stands_against_releasing_an_allow_that_nothing_restricts() -> None:
    story = Story().up_to_approvals()
    allow = story.decide(EXECUTE)
    assert restrictions_since(story.view, allow) == ()


@pytest.mark.parametrize(
    "what", ["job:{job}", "token:{token}", "policy:{policy}", "approval:{approval}", "key:{key}", "denial"]
)
def test_a_restriction_above_the_allow_is_seen_before_it_is_released(what: str) -> None:
    story = Story().up_to_approvals()
    allow = story.decide(EXECUTE)
    if what == "denial":
        story.deny()
    else:
        approval = allow.record.approvals[0]
        names = {"job": story.job, "token": story.scoped.token_hash, "policy": story.policy_hash, "approval": approval}
        story.revoke(what.format(**names, key=keys.BOB.did))
    assert story.rejudge(allow) == set()
    assert restrictions_since(story.view, allow)
