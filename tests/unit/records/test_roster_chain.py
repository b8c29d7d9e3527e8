"""Which roster is in force at which index, and how one follows another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support import keys, payloads
from tests.support.memory_log import MemoryLog
from tests.support.payloads import Payload, hash_of, payload_hash
from tests.support.trust import RoleHolder, trust_policy
from trustlog.keys.signer import SeedSigner


def log_with(**roles: Sequence[RoleHolder]) -> MemoryLog:
    return MemoryLog(trust_policy(roles=roles))


def number_in_force(log: MemoryLog, index: int | None = None) -> int | None:
    roster = log.ledger.rosters.at(log.size if index is None else index)
    return None if roster is None else roster.record.number


def test_a_roster_is_in_force_above_its_index() -> None:
    log = MemoryLog()
    log.fill(1)
    assert log.log("roster") == 1
    assert [number_in_force(log, index) for index in (0, 1, 2, 99)] == [None, None, 1, 1]


def test_rosters_continue_one_another() -> None:
    log = MemoryLog()
    log.log("roster")
    for number in (2, 3, 4):
        log.next_roster(payloads.people())
        assert number_in_force(log) == number
    assert [roster.record.number for roster in log.ledger.rosters.up_to(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 3},
        {"number": 1, "previous_b64u": None},
        {"previous_b64u": hash_of("another roster")},
        {"number": 9},
    ],
)
def test_a_roster_that_does_not_continue_the_one_in_force_is_void(changes: Payload) -> None:
    log = MemoryLog()
    log.log("roster")
    found = log.refusal("roster", log.continuing([], **changes))
    assert (found.code, found.param) == ("ROSTER_NOT_CONTINUING", "payload.number")
    assert number_in_force(log) == 1


def test_logging_an_old_roster_again_has_no_effect() -> None:
    log = MemoryLog()
    first = log.log("roster")
    log.next_roster([payloads.person("p-carol", keys.CAROL)])
    assert log.log("roster") == first  # already logged
    assert number_in_force(log) == 2
    log = log_with(roster_authorities=[keys.ROSTER_AUTHORITY.did, keys.STRANGER.did])
    log.log("roster")
    log.next_roster([])
    assert log.refusal("roster", payloads.roster(), keys.STRANGER).code == "ROSTER_NOT_CONTINUING"


@pytest.mark.parametrize(
    "moved",
    [
        payloads.person("p-mallory", keys.ALICE, idp=[]),
        payloads.person("p-mallory", keys.CAROL, idp=[hash_of("provider id of p-alice")]),
    ],
    ids=["key", "provider id"],
)
def test_a_key_or_provider_id_never_moves_to_another_person(moved: Payload) -> None:
    log = MemoryLog()
    log.log("roster")
    found = log.refusal("roster", log.continuing([moved]))
    assert (found.code, found.param) == ("ROSTER_INVALID", "payload.people[0]")
    log.next_roster([])  # Alice leaves
    assert log.refusal("roster", log.continuing([moved])).code == "ROSTER_INVALID"
    assert number_in_force(log) == 2


def test_a_person_may_change_keys_and_come_back() -> None:
    log = MemoryLog()
    log.log("roster")
    log.next_roster([payloads.person(payloads.ALICE, keys.CAROL)])
    log.next_roster([])
    log.next_roster([payloads.person(payloads.ALICE, keys.ALICE)])
    assert number_in_force(log) == 4


QUORUM_OF_TWO = ("roster authority", "second authority", "third authority")


def quorum_log() -> tuple[MemoryLog, list[SeedSigner]]:
    signers = [keys.fixture_key(name) for name in QUORUM_OF_TWO]
    return MemoryLog(
        trust_policy(roster_quorum=2, roles={"roster_authorities": [signer.did for signer in signers]})
    ), signers


def test_with_a_quorum_of_two_a_roster_is_in_force_at_the_second_signers_index() -> None:
    log, (one, two, _) = quorum_log()
    assert log.log("roster", signer=one) == 0
    log.fill(1)
    assert number_in_force(log) is None
    assert log.log("roster", signer=one) == 0  # the same signer again is no second one
    assert number_in_force(log) is None
    assert log.log("roster", signer=two) == 2
    assert [number_in_force(log, index) for index in (2, 3)] == [None, 1]


def test_two_signers_of_different_payloads_are_no_quorum() -> None:
    log, (one, two, three) = quorum_log()
    log.log("roster", payloads.roster(salt=payloads.salt_of("a")), one)
    log.log("roster", payloads.roster(salt=payloads.salt_of("b")), two)
    assert number_in_force(log) is None
    log.log("roster", payloads.roster(salt=payloads.salt_of("b")), three)
    in_force = log.ledger.rosters.at(log.size)
    assert in_force is not None
    assert in_force.payload_hash_b64u == payload_hash(payloads.roster(salt=payloads.salt_of("b")))


def test_of_two_candidates_the_first_to_reach_the_quorum_wins_and_the_other_is_void_from_then_on() -> None:
    log, (one, two, three) = quorum_log()
    loser = payloads.roster(salt=payloads.salt_of("loser"))
    log.log("roster", loser, one)
    log.log("roster", payloads.roster(), two)
    log.log("roster", payloads.roster(), three)
    assert log.refusal("roster", loser, two).code == "ROSTER_NOT_CONTINUING"
