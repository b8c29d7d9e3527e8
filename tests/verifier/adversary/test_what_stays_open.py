"""What a pass does not show, and an attacker could have done all the same, is listed as not proven."""

from __future__ import annotations

from typing import Any

import pytest

from tests.verifier.adversary.auditor import Auditor
from tests.verifier.adversary.test_steps import allow_again
from tests.verifier.changebuilder import ROLE_KEYS, START, Change, Payload, at, default_policy, trust_toml
from tests.verifier.judging import assert_fails, assert_passes, setting, verdict
from tests.verifier.logbuilder import Key, b64, proof
from verifier.report import Report

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
