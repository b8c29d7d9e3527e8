"""Who may say what at which index, what is already taken, and what has no effect."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support import keys, payloads
from tests.support.envelopes import SIGNERS, candidate
from tests.support.memory_log import MemoryLog
from tests.support.payloads import VALID, Payload, hash_of
from tests.support.trust import RoleHolder, trust_policy
from trustlog.keys.signer import SeedSigner
from trustlog.records.kinds import KINDS

ROLE_OF_KIND = {
    "gateway_receipt": "gateways",
    "work_policy_contract": "policy_issuers",
    "roster": "roster_authorities",
    "token_issued": "token_issuers",
    "simulation": "runners",
    "step_up": "gates",
    "gate_decision": "gates",
    "execution": "runners",
    "closure": "gates",
    "violation": "gates",
}
PEOPLES = ("human_approval_receipt", "resolution")


def log_with(**roles: Sequence[RoleHolder]) -> MemoryLog:
    return MemoryLog(trust_policy(roles=roles))


# Roles and their windows.


@pytest.mark.parametrize(("kind", "role"), ROLE_OF_KIND.items())
def test_a_kind_is_taken_from_its_role_only(kind: str, role: str) -> None:
    assert MemoryLog().log(kind) == 0
    emptied: dict[str, list[RoleHolder]] = {role: []}
    found = log_with(**emptied).refusal(kind)
    assert (found.code, found.param) == ("SIGNER_NOT_TRUSTED", "signer_did")
    other = keys.CUSTODIAN
    found = MemoryLog().refusal(kind, signer=other)
    assert (found.code, found.param) == ("SIGNER_WRONG_ROLE", "signer_did")
    assert "custodians" in (found.found or "")
    assert role in (found.expected or "")


@pytest.mark.parametrize("kind", ["tool_receipt", "side_effect_receipt"])
def test_tool_and_side_effect_receipts_come_from_agents_or_gateways(kind: str) -> None:
    assert MemoryLog().log(kind, signer=keys.AGENT) == 0
    assert MemoryLog().log(kind, signer=keys.GATEWAY) == 0
    assert MemoryLog().refusal(kind, signer=keys.GATE).code == "SIGNER_WRONG_ROLE"
    assert MemoryLog().refusal(kind, signer=keys.STRANGER).code == "SIGNER_NOT_TRUSTED"


def test_every_signer_of_another_role_is_refused_for_every_kind() -> None:
    roles = {"gateways", "policy_issuers", "token_issuers", "roster_authorities", "agents", "runners", "gates", "custodians"}
    holders = {
        "gateways": keys.GATEWAY,
        "policy_issuers": keys.POLICY_ISSUER,
        "token_issuers": keys.TOKEN_ISSUER,
        "roster_authorities": keys.ROSTER_AUTHORITY,
        "agents": keys.AGENT,
        "runners": keys.RUNNER,
        "gates": keys.GATE,
        "custodians": keys.CUSTODIAN,
    }
    assert set(holders) == roles
    for kind in KINDS:
        for role, signer in holders.items():
            if role in KINDS[kind].signers or kind in ("revocation", "proof_bundle", *PEOPLES):
                continue
            assert MemoryLog().refusal(kind, signer=signer).code == "SIGNER_WRONG_ROLE"


def test_a_window_is_half_open() -> None:
    log = log_with(runners=[(keys.RUNNER.did, 1, 3)])
    assert log.refusal("simulation").code == "SIGNER_NOT_TRUSTED"
    log.fill(1)
    assert log.log("simulation") == 1
    assert log.log("execution") == 2
    assert log.refusal("execution", payloads.execution_end()).code == "SIGNER_NOT_TRUSTED"


def test_several_windows_of_one_key_count() -> None:
    log = log_with(runners=[(keys.RUNNER.did, 0, 1), (keys.RUNNER.did, 2, None)])
    assert log.log("simulation") == 0
    assert log.refusal("execution").code == "SIGNER_NOT_TRUSTED"
    log.fill(1)
    assert log.log("execution") == 2


def test_a_receipt_in_a_bundle_comes_from_a_gateway_too() -> None:
    assert MemoryLog().log("proof_bundle") == 0
    found = log_with(gateways=[]).refusal("proof_bundle")
    assert (found.code, found.param) == ("SIGNER_NOT_TRUSTED", "payload.receipts[0].signer_did")
    found = log_with(gateways=[], runners=[keys.GATEWAY.did]).refusal("proof_bundle")
    assert (found.code, found.param) == ("SIGNER_WRONG_ROLE", "payload.receipts[0].signer_did")


def test_a_receipt_in_a_bundle_may_be_of_a_gateway_that_was_cut_off_since() -> None:
    """Each receipt is judged at its own entry; the bundle comes later."""
    log = log_with(gateways=[(keys.GATEWAY.did, 0, 2)])
    log.fill(3)
    assert log.log("proof_bundle") == 3
    found = log_with(gateways=[(keys.GATEWAY.did, 4, None)]).refusal("proof_bundle")
    assert (found.code, found.param) == ("SIGNER_NOT_TRUSTED", "payload.receipts[0].signer_did")


# Identity and conflicts.


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"tombstone", *PEOPLES}))
def test_the_same_payload_by_the_same_signer_gets_the_same_index(kind: str) -> None:
    log = MemoryLog()
    first = log.log(kind)
    log.fill(2)
    assert log.log(kind) == first
    assert log.size == 3


@pytest.mark.parametrize(
    ("kind", "changes", "param"),
    [
        ("gateway_receipt", {"model": "other"}, "payload.receipt_id"),
        ("tool_receipt", {"tool_name": "other"}, "payload.receipt_id"),
        ("side_effect_receipt", {"latency_ms": 1}, "payload.receipt_id"),
        ("proof_bundle", {"metadata": {}}, "payload.bundle_id"),
        ("token_issued", {"exp": payloads.NOW_S + 1}, "payload.token_hash"),
        ("token_issued", {"requester": "p-other", "token_hash": "0" * 64}, "payload.job_id"),
        ("token_issued", {"ticket": "servicedesk.test:CHG-2", "token_hash": "0" * 64}, "payload.job_id"),
        ("token_issued", {"scope": ["other"], "token_hash": "0" * 64}, "payload.job_id"),
        ("simulation", {"job_id": "job-2"}, "payload.run_id"),
        ("gate_decision", {"nonce": "nonce-2"}, "payload.scope"),
        ("execution", {"salt": payloads.salt_of("again")}, "payload.decision_b64u"),
        ("closure", {"bundle_b64u": hash_of("another bundle")}, "payload.decision_b64u"),
        ("closure", {"decision_b64u": hash_of("another decision")}, "payload.bundle_b64u"),
        ("step_up", {"acr": []}, "payload.approval_b64u"),
    ],
)
def test_another_payload_under_a_taken_id_is_a_conflict_that_names_the_holder(
    kind: str, changes: Payload, param: str
) -> None:
    log = MemoryLog()
    log.fill(1)
    assert log.log(kind) == 1
    found = log.conflict(kind, VALID[kind](**changes))
    assert (found.index, found.param) == (1, param)
    assert found.leaf_hash == candidate(kind).entry.leaf_hash


def test_another_signer_of_the_same_id_is_a_conflict() -> None:
    log = log_with(gates=[keys.GATE.did, keys.STRANGER.did])
    log.log("closure")
    log.conflict("closure", payloads.closure(), keys.STRANGER)
    log.log("gate_decision")
    log.conflict("gate_decision", payloads.gate_decision(), keys.STRANGER)


def test_two_gateways_may_use_the_same_receipt_id() -> None:
    log = log_with(gateways=[keys.GATEWAY.did, keys.STRANGER.did])
    assert [log.log("gateway_receipt"), log.log("gateway_receipt", signer=keys.STRANGER)] == [0, 1]


def test_a_renewed_token_of_the_same_terms_continues_the_job() -> None:
    log = log_with(token_issuers=[keys.TOKEN_ISSUER.did, keys.STRANGER.did])
    log.log("token_issued")
    assert log.log("token_issued", payloads.token_issued(token_hash="1" * 64)) == 1
    assert log.log("token_issued", payloads.token_issued(token_hash="2" * 64), keys.STRANGER) == 2
    log.conflict("token_issued", payloads.token_issued(token_hash="3" * 64, requester="p-other"))


def test_a_run_may_be_simulated_again_for_its_job_only() -> None:
    log = MemoryLog()
    log.log("simulation")
    assert log.log("simulation", payloads.simulation(outcome="failure")) == 1
    log.conflict("simulation", payloads.simulation(job_id="job-2"))


def test_denies_of_one_scope_do_not_conflict() -> None:
    log = MemoryLog()
    log.log("gate_decision")
    for nonce in ("a", "b"):
        log.log("gate_decision", payloads.deny(scope=payloads.scope(), nonce=nonce))
    assert log.size == 3


def test_what_is_refused_holds_no_key() -> None:
    log = MemoryLog()
    log.refusal("closure", payloads.closure(), keys.AGENT)
    assert log.log("closure") == 0


# People.


def test_nobody_approves_before_a_roster_is_in_force() -> None:
    log = MemoryLog()
    for kind in PEOPLES:
        found = log.refusal(kind)
        assert (found.code, found.param) == ("ROSTER_MISSING", "signer_did")
    log.log("roster")
    assert log.log("human_approval_receipt") == 1
    assert log.log("resolution") == 2


def test_only_people_of_the_roster_in_force_approve() -> None:
    log = MemoryLog()
    log.log("roster")
    assert log.refusal("human_approval_receipt", signer=keys.CAROL).code == "SIGNER_NOT_TRUSTED"
    assert log.refusal("human_approval_receipt", signer=keys.GATE).code == "SIGNER_WRONG_ROLE"
    log.next_roster([payloads.person("p-carol", keys.CAROL)])
    assert log.log("human_approval_receipt", signer=keys.CAROL) == 2
    assert log.refusal("human_approval_receipt").code == "SIGNER_NOT_TRUSTED"  # Alice has left


def test_the_requester_of_a_job_resolves_none_of_its_executions_and_blocks_nobody_who_may() -> None:
    log = MemoryLog()
    log.log("roster")
    log.log("token_issued", payloads.token_issued(requester=payloads.ALICE))
    begin = candidate("execution", payloads.execution())
    log.take(begin)
    resolution = payloads.resolution(begin_b64u=begin.payload_hash_b64u)
    found = log.refusal("resolution", resolution, keys.ALICE)
    assert (found.code, found.param) == ("SIGNER_WRONG_ROLE", "signer_did")
    assert log.log("resolution", resolution, keys.BOB) == 3


def test_a_key_with_a_role_is_nobodys_whatever_the_roster_says() -> None:
    people = [payloads.person(payloads.ALICE, keys.ALICE, keys.AGENT), payloads.person(payloads.BOB, keys.GATE)]
    log = MemoryLog()
    log.log("roster", payloads.roster(people=people))
    assert log.log("human_approval_receipt") == 1
    assert log.refusal("human_approval_receipt", signer=keys.AGENT).code == "SIGNER_WRONG_ROLE"
    assert log.refusal("human_approval_receipt", signer=keys.GATE).code == "SIGNER_WRONG_ROLE"


def test_a_key_that_ever_had_a_role_is_nobodys() -> None:
    log = log_with(runners=[(keys.ALICE.did, 500, 501)])
    log.log("roster")
    assert log.refusal("human_approval_receipt").code == "SIGNER_WRONG_ROLE"


def test_the_logs_own_key_is_nobodys() -> None:
    log_signer = SeedSigner(keys.fixture_seed("trustlog.test/records"))
    log = MemoryLog()
    log.log("roster", payloads.roster(people=[payloads.person(payloads.ALICE, log_signer)]))
    assert log.refusal("human_approval_receipt", signer=log_signer).code == "SIGNER_NOT_TRUSTED"


def test_every_usual_signer_is_in_the_right_role() -> None:
    log = MemoryLog()
    log.log("roster")
    for kind in sorted(set(KINDS) - {"roster", "tombstone"}):
        log.log(kind)
    assert set(SIGNERS) == set(KINDS)
    assert log.size == len(KINDS) - 1
