"""What a pass does not show, and an attacker could have done all the same, is listed as not proven."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.adversary.auditor import Auditor
from tests.verifier.adversary.test_steps import allow_again, view_of
from tests.verifier.changebuilder import (
    OWNER,
    ROLE_KEYS,
    SECURITY,
    START,
    Change,
    Payload,
    approval_refs,
    at,
    default_policy,
    trust_toml,
)
from tests.verifier.judging import assert_fails, assert_passes, setting, verdict
from tests.verifier.logbuilder import Key, b64, hash_of, jcs, proof
from tests.verifier.test_whole_log import Desk, desk
from verifier.report import Report

__all__ = ["desk"]  # a fixture

WITNESS = Key("witness")
WITNESSED = trust_toml(witnesses=(("w.example", WITNESS),), quorum="w.example")
SEEN_S = int(START.timestamp()) + 500
AFTERWARDS = "nothing of the job was executed after its closing was decided"
BACKDATED = "nothing was done later than its signer says"


def lines(report: Report, words: str) -> list[str]:
    return [line for line in report.not_proven if words in line]


# --- after the closing


@pytest.mark.parametrize("step", ["closure", "after"], ids=["before the closure", "after the closure"])
def test_an_execution_after_the_closing_was_decided_left_out_of_the_pack(auditor: Auditor, step: str) -> None:
    """No record of a gate lists it, so that a pack looks whole without it. Only the log tells."""

    def begin(change: Change) -> None:
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        change._begin("late")

    change = Change(before={"bundle": allow_again, step: begin}).build()
    late = change.log.index_of(change.hashes["late"])
    pack = change.pack(leave_out=lambda index: index == late)
    report = verdict(pack)
    assert_passes(report)
    assert lines(report, AFTERWARDS)
    auditor.serve(change.log)
    assert auditor.evidence(pack)[0] == 1


def test_where_the_log_was_read_nothing_afterwards_stays_open_and_it_passes(auditor: Auditor) -> None:
    change = Change().build()
    auditor.serve(change.log)
    assert auditor.evidence(change) == (0, "OK")
    assert lines(verdict(change), AFTERWARDS)


@pytest.mark.parametrize("remembers", [False, True], ids=["who remembers nothing", "who remembers the newest"])
def test_a_log_served_as_it_was_before_what_was_done_afterwards(desk: Desk, *, remembers: bool) -> None:
    """The operator serves the log up to the closure, to an auditor who was never there or who saw it go on."""

    def begin(change: Change) -> None:
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        early.append(change.pack())
        desk.write("change.evidence.json", jcs(early[0]))
        desk.export(change.log)
        change._begin("late")

    early: list[Payload] = []
    change = Change(before={"bundle": allow_again, "after": begin}).build()
    options = ["--log", desk.path("log"), "--at", "2026-03-02"]
    if remembers:
        options += ["--state", desk.write("state", change.log.note())]
    code, report = desk.run("evidence", desk.path("change.evidence.json"), *options)
    if remembers:
        assert (code, report["reason_code"]) == (1, "CHECKPOINT_STALE")
    else:
        assert code == 0, report["reason"]
        assert [words in " ".join(report["not_proven"]) for words in ("stale view", "fork against")] == [True, True]


@pytest.mark.parametrize("remembers", [False, True], ids=["nothing", "an earlier view"])
def test_a_log_that_continues_what_was_remembered_passes(desk: Desk, *, remembers: bool) -> None:
    change = Change().build()
    state = ["--state", desk.write("state", change.log.note(7))] if remembers else []
    code, report = desk.judge(change, "--log", desk.export(change.log), *state)
    assert code == 0, report["reason"]
    assert ("stale view" in " ".join(report["not_proven"])) is not remembers


# --- what would void an entry of the pack


def revoke_a_key(change: Change) -> None:
    """The second approver's key is revoked once the gate has read what it decides on."""
    change.edit["decide_close"] = view_of(change, change.log.size)
    change.revoke("hidden", f"key:{SECURITY.did}", ROLE_KEYS["roster_authorities"])


def revoke_an_approval(change: Change) -> None:
    change.edit["decide_close"] = view_of(change, change.log.size)
    change.revoke("hidden", f"approval:{change.hashes['approve_close_1']}", OWNER)


def take_an_id(change: Change) -> None:
    """The same person uses the id of the approval for another job first."""
    other = Change(log=change.log, job="job-8", run="run-8", ticket="jira.example:CHG-8")
    payload = other.approval("hidden", "change.execute", "p-sec")
    payload["receipt_id"] = change.approval("approve_execute_2", "change.execute", "p-sec")["receipt_id"]
    payload |= {"plan_hash_b64u": hash_of(b"8")}
    change.put("hidden", "human_approval_receipt", payload, SECURITY, approval_refs)


@pytest.mark.parametrize(
    ("step", "hide", "code"),
    [
        ("decide_close", revoke_a_key, "KEY_REVOKED"),
        ("decide_close", revoke_an_approval, "APPROVAL_REVOKED"),
        ("simulation", take_an_id, "CONFLICT"),
    ],
    ids=["a revoked key", "a revoked approval", "an id that is taken"],
)
def test_what_voids_an_entry_left_out_of_the_pack(
    auditor: Auditor, step: str, hide: Callable[[Change], None], code: str
) -> None:
    """No decision need list it. That there is nothing of the kind rests on the gate's word, as all that it vouches for."""
    change = Change(before={step: hide}).build()
    hidden = change.log.index_of(change.hashes["hidden"])
    pack = change.pack(leave_out=lambda index: index == hidden)
    report = verdict(pack)
    assert_passes(report)
    said = "no approval or key that it rests on revoked, no id that it uses taken before [{}]: attested"
    assert all(lines(report, said.format(action)) for action in ("change.execute", "ticket.close"))
    auditor.serve(change.log)
    assert auditor.evidence(pack)[0] == 1
    assert code in {check.code for check in verdict(change).checks}


# --- times


def seen_early(change: Change, size: int) -> Payload:
    """The pack with an anchor: the witness had seen the first `size` entries."""
    leaves = change.log.leaves()
    cosigners = (("w.example", WITNESS, SEEN_S),)
    anchor = {"checkpoint": change.log.note(size, cosigners), "consistency_proof": [b64(n) for n in proof(size, leaves)]}
    return change.pack() | {"anchors": [anchor]}


def dated(offset_s: float) -> Change:
    """A decision to execute that is dated so long after the witness had seen it, and all that follows from it."""
    change = Change(cosigners=(("w.example", WITNESS, SEEN_S + 5000),))
    moment = SEEN_S - START.timestamp() + offset_s

    def later(change: Change) -> None:
        change.clock = moment - 1

    change.before = {"decide_execute": later}
    return change.build()


@pytest.mark.parametrize(("offset_s", "passes"), [(-1, True), (300, True), (300.001, False), (380, False)])
def test_a_decision_dated_later_than_witnesses_had_seen_it(offset_s: float, *, passes: bool) -> None:
    """A gate that waits for nobody: it dates its decision into the window in which the policy would allow it."""
    change = dated(offset_s)
    pack = seen_early(change, change.log.index_of(change.hashes["decide_execute"]) + 1)
    at_ns = (SEEN_S + 6000) * 10**9
    report = verdict(pack, trust=WITNESSED, at_ns=at_ns)
    if passes:
        assert_passes(report)
    else:
        assert_fails(report, "CLOCK_SKEW", "policy.decided_at[change.execute] CLOCK_SKEW")


def test_an_anchor_below_the_decision_says_nothing_of_its_time() -> None:
    change = dated(380)
    pack = seen_early(change, change.log.index_of(change.hashes["decide_execute"]))
    assert_passes(verdict(pack, trust=WITNESSED, at_ns=(SEEN_S + 6000) * 10**9))


def test_a_decision_dated_back_into_the_life_of_its_token() -> None:
    """Decided when the token was long dead, and dated to when it lived: no witness can tell, and the verdict says so."""

    def long_afterwards(change: Change) -> None:
        change.clock = 100_000

    change = Change(cosigners=(("w.example", WITNESS, SEEN_S),), before={"end": long_afterwards})
    for step in ("decide_close", "closure"):
        change.edit[step] = lambda p: p.update(
            dict.fromkeys(p.keys() & {"decided_at", "expires_at", "closed_at", "issued_at"}, at(20))
        )
    for step in ("approve_close_1", "approve_close_2"):
        change.edit[step] = setting(timestamp=at(19))
    report = verdict(change.build(), trust=WITNESSED)
    assert_passes(report)
    assert lines(report, BACKDATED)
    assert not lines(verdict(Change().build()), BACKDATED), "without witnesses no time is shown at all, and that is said"


# --- rules of a policy that nothing here judges


CLAWSIG = {"policy_version": "1", "policy_id": "p", "issuer_did": ROLE_KEYS["policy_issuers"].did}
DEMANDS: dict[str, Any] = {
    "allowed_providers": ["openai"],
    "allowed_models": ["another-model"],
    "minimum_model_identity_tier": "tee_measured",
    "required_audit_packs": ["an-audit-pack"],
    "redaction_rules": [{"path": "$.secret", "action": "remove"}],
    "receipt_privacy_mode": "encrypted",
    "egress_allowlist": ["db.example"],
}


def clawsig(**members: Any) -> Payload:
    block = {name: value for name, value in default_policy().items() if name != "policy_hash"}
    return CLAWSIG | members | {"metadata": {"change_management": block}}


class OfClawsig(Change):
    """A change whose tools are those of the block in its policy."""

    def scope(self, action: str) -> Payload:
        outer, self.policy = self.policy, default_policy()
        scope = super().scope(action)
        self.policy = outer
        return scope | {"policy_hash_b64u": self.policy_hash}


@pytest.mark.parametrize("member", [*DEMANDS, None])
def test_a_policy_of_which_only_a_part_is_judged(member: str | None) -> None:
    """Every receipt tells of another provider and another model than the policy allows."""
    policy = clawsig(**{name: value for name, value in DEMANDS.items() if name == member})
    report = verdict(OfClawsig(policy=policy).build())
    assert_passes(report)
    found = lines(report, "rules of policy")
    assert found == ([f"that these rules of policy {report_policy(policy)} were kept: {member}"] if member else [])


def report_policy(policy: Payload) -> str:
    return Change(policy=policy).policy_hash


def test_a_policy_that_names_the_hosts_to_be_reached() -> None:
    policy = default_policy() | {"egress": {"hosts": ["db.example"]}}
    report = verdict(Change(policy=policy).build())
    assert_passes(report)
    assert lines(report, "rules of policy") == [f"that these rules of policy {report_policy(policy)} were kept: egress"]
