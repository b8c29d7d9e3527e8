"""The roster chain by itself: whose key is whose at an index, and whose it never is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.verifier.changebuilder import OWNER, Change, default_people
from tests.verifier.logbuilder import Key, hash_of
from tests.verifier.test_records_alone import read
from verifier.ledger.rosters import RosterChain
from verifier.records.roster import Roster

RESERVED = Key("a key of the log")


def roster(number: int, previous: str | None, **members: Any) -> tuple[Roster, str]:
    """A roster and its payload hash."""
    people = default_people()
    people[0]["keys"].append(RESERVED.did)
    payload = Change().header("roster", str(number)) | {"number": number, "previous_b64u": previous, "people": people}
    payload |= members
    record = read("roster", payload)
    assert isinstance(record, Roster)
    return record, hash_of(payload)


def chain(*, quorum: int = 1) -> RosterChain:
    return RosterChain(quorum=quorum, reserved=frozenset((RESERVED.public,)))


def test_before_there_is_a_roster_no_key_is_anybodys() -> None:
    assert chain().person_at(OWNER.did, 7) is None


def test_a_key_is_its_holders_above_the_index_of_the_roster() -> None:
    rosters = chain()
    record, name = roster(1, None)
    rosters.add(4, record, payload_hash_b64u=name, signer_did="first")
    person = rosters.person_at(OWNER.did, 5)
    assert person is not None
    assert person.subject == "p-owner"
    assert rosters.person_at(OWNER.did, 4) is None
    assert rosters.person_at(Key("nobody").did, 5) is None


def test_a_reserved_key_is_nobodys_whatever_a_roster_says() -> None:
    rosters = chain()
    record, name = roster(1, None)
    rosters.add(4, record, payload_hash_b64u=name, signer_did="first")
    assert RESERVED.did in record.people[0].keys
    assert rosters.person_at(RESERVED.did, 5) is None


@pytest.mark.parametrize("signers", [("first", "first"), ("first",)])
def test_signers_are_counted_once_a_payload(signers: tuple[str, ...]) -> None:
    rosters = chain(quorum=2)
    record, name = roster(1, None)
    for index, signer in enumerate(signers):
        rosters.add(index, record, payload_hash_b64u=name, signer_did=signer)
    other, other_name = roster(1, None, salt="A" * 22)
    rosters.add(7, other, payload_hash_b64u=other_name, signer_did="second")
    assert rosters.at(9) is None
    rosters.add(8, record, payload_hash_b64u=name, signer_did="second")
    in_force = rosters.at(9)
    assert in_force is not None
    assert (in_force.since, in_force.payload_hash_b64u) == (8, name)
