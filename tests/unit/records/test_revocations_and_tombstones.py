"""What may be revoked and erased, by whom, and what follows."""

from __future__ import annotations

import pytest

from tests.support import keys, payloads
from tests.support.envelopes import candidate
from tests.support.memory_log import MemoryLog
from tests.support.payloads import JOB, Payload, hash_of
from trustlog.formats.base64 import encode_b64u
from trustlog.records.kinds import KINDS

# Revocations.

TARGETS = {
    "token": (f"token:{payloads.TOKEN_HASH}", keys.TOKEN_ISSUER),
    "job": (f"job:{JOB}", keys.TOKEN_ISSUER),
    "policy": (f"policy:{payloads.POLICY_HASH}", keys.POLICY_ISSUER),
    "approval": (f"approval:{hash_of('an approval')}", keys.ROSTER_AUTHORITY),
    "key": (f"key:{keys.CAROL.did}", keys.ROSTER_AUTHORITY),
}


@pytest.mark.parametrize("sort", TARGETS)
def test_each_sort_of_target_is_revoked_by_its_role_only(sort: str) -> None:
    target, right = TARGETS[sort]
    for signer in (
        *(keys.GATEWAY, keys.POLICY_ISSUER, keys.TOKEN_ISSUER, keys.ROSTER_AUTHORITY, keys.AGENT, keys.RUNNER, keys.GATE),
        *(keys.CUSTODIAN, keys.ALICE, keys.STRANGER),
    ):
        log = MemoryLog()
        log.log("roster")
        if signer is right:
            assert log.log("revocation", payloads.revocation(target=target), signer) == 1
        else:
            found = log.refusal("revocation", payloads.revocation(target=target), signer)
            assert (found.code, found.param) == ("REVOCATION_NOT_PERMITTED", "signer_did")


def test_an_approval_is_revoked_by_its_own_signer_too() -> None:
    log = MemoryLog()
    log.log("roster")
    target = f"approval:{candidate('human_approval_receipt').payload_hash_b64u}"
    found = log.refusal("revocation", payloads.revocation(target=target), keys.ALICE)
    assert found.code == "REVOCATION_NOT_PERMITTED"  # not logged yet
    log.log("human_approval_receipt")
    assert log.refusal("revocation", payloads.revocation(target=target), keys.BOB).code == "REVOCATION_NOT_PERMITTED"
    assert log.log("revocation", payloads.revocation(target=target), keys.ALICE) == 2


def test_a_key_revokes_itself_and_is_void_from_then_on() -> None:
    log = MemoryLog()
    log.log("simulation")
    revocation = payloads.revocation(target=f"key:{keys.RUNNER.did}")
    assert log.log("revocation", revocation, keys.RUNNER) == 1
    found = log.refusal("execution")
    assert (found.code, found.param) == ("KEY_REVOKED", "signer_did")
    assert log.log("simulation") == 0  # what it had signed before stays
    assert log.ledger.is_key_revoked(keys.RUNNER.did, 1) is False
    assert log.ledger.is_key_revoked(keys.RUNNER.did, 2) is True
    again = payloads.revocation(target=f"key:{keys.RUNNER.did}", salt=payloads.salt_of("again"))
    assert log.refusal("revocation", again, keys.RUNNER).code == "KEY_REVOKED"


def test_a_stranger_revokes_only_itself() -> None:
    log = MemoryLog()
    assert log.log("revocation", payloads.revocation(target=f"key:{keys.STRANGER.did}"), keys.STRANGER) == 0


def test_a_revoked_key_of_a_person_approves_nothing_more() -> None:
    log = MemoryLog()
    log.log("roster")
    log.log("revocation", payloads.revocation(target=f"key:{keys.ALICE.did}"), keys.ROSTER_AUTHORITY)
    assert log.refusal("human_approval_receipt").code == "KEY_REVOKED"
    assert log.log("human_approval_receipt", signer=keys.BOB) == 2


def test_the_first_revocation_of_a_key_counts() -> None:
    log = MemoryLog()
    target = f"key:{keys.RUNNER.did}"
    log.log("revocation", payloads.revocation(target=target), keys.ROSTER_AUTHORITY)
    log.log("revocation", payloads.revocation(target=target, reason="again"), keys.ROSTER_AUTHORITY)
    assert log.ledger.is_key_revoked(keys.RUNNER.did, 1) is True


# Tombstones.


def tombstone(log: MemoryLog, index: int) -> Payload:
    """A tombstone of the payload at `index`."""
    known = log.candidates[index]
    leaf_hash = encode_b64u(known.entry.leaf_hash)
    return payloads.tombstone(payload_b64u=known.payload_hash_b64u, index=index, leaf_hash_b64u=leaf_hash)


@pytest.mark.parametrize("kind", ["gateway_receipt", "tool_receipt", "side_effect_receipt", "proof_bundle"])
def test_a_receipt_or_bundle_may_be_erased_once_its_job_is_over(kind: str) -> None:
    log = MemoryLog()
    log.log("token_issued")
    log.log(kind)
    log.log("closure")
    assert log.log("tombstone", tombstone(log, 1)) == 3
    again = {**tombstone(log, 1), "reason": "again"}
    log.conflict("tombstone", again)


@pytest.mark.parametrize("kind", sorted(kind for kind in KINDS if not KINDS[kind].erasable))
def test_what_restricts_or_permits_is_never_erased(kind: str) -> None:
    log = MemoryLog()
    log.log("roster")
    log.log("gateway_receipt", payloads.gateway_receipt(binding={}))
    if kind == "tombstone":
        log.log("tombstone", tombstone(log, 1))
    else:
        log.log(kind)
    log.log("closure")
    index = next(i for i, known in enumerate(log.candidates) if known.kind.name == kind)
    found = log.refusal("tombstone", tombstone(log, index))
    assert (found.code, found.param) == ("TOMBSTONE_NOT_PERMITTED", "payload.payload_b64u")


def test_a_payload_of_an_open_job_is_not_erased() -> None:
    log = MemoryLog()
    log.log("token_issued")
    log.log("gateway_receipt")
    assert log.refusal("tombstone", tombstone(log, 1)).code == "TOMBSTONE_NOT_PERMITTED"
    log.log("revocation", payloads.revocation(target=f"job:{JOB}"))
    assert log.log("tombstone", tombstone(log, 1)) == 3


def test_a_plan_is_erased_by_the_entry_that_names_it() -> None:
    log = MemoryLog()
    log.log("token_issued")
    log.log("simulation")
    plan = {"payload_b64u": payloads.PLAN_HASH}
    assert log.refusal("tombstone", {**tombstone(log, 1), **plan}).code == "TOMBSTONE_NOT_PERMITTED"
    log.log("closure")
    assert log.log("tombstone", {**tombstone(log, 1), **plan}) == 3


@pytest.mark.parametrize(
    "changes",
    [{"leaf_hash_b64u": hash_of("another leaf")}, {"index": 0}, {"index": 99}, {"payload_b64u": hash_of("another")}],
)
def test_a_tombstone_names_the_entry_whose_payload_is_gone(changes: Payload) -> None:
    log = MemoryLog()
    log.log("token_issued")
    log.log("gateway_receipt")
    log.log("closure")
    assert log.refusal("tombstone", {**tombstone(log, 1), **changes}).code == "TOMBSTONE_NOT_PERMITTED"


def test_a_tombstone_names_an_entry_below_itself() -> None:
    log = MemoryLog()
    log.fill(1)
    assert log.refusal("tombstone", {**tombstone(log, 0), "index": 1}).code == "TOMBSTONE_NOT_PERMITTED"
