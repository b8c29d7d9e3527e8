"""The roster chain: which roster is in force at an index, and who is who in it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from verifier.didkey import parse_did_key
from verifier.errors import Refused
from verifier.records.roster import Person, Roster, check_people


@dataclass(frozen=True, slots=True)
class RosterInForce:
    """A roster that came into force at index `since`: it is the one in force at higher indexes."""

    since: int
    payload_hash_b64u: str
    roster: Roster


class RosterChain:
    """Reads rosters in index order.

    A roster must continue the one in force at its index, in number and hash; of those that do, the payload that
    first reaches the quorum of trusted signers comes into force and replaces its predecessor as a whole.
    """

    def __init__(self, *, quorum: int, reserved: frozenset[bytes]) -> None:
        self._quorum = quorum
        self._reserved = reserved
        self._chain: list[RosterInForce] = []
        self._owners: dict[tuple[str, str], str] = {}
        self._signers: dict[str, set[str]] = {}

    def add(self, index: int, roster: Roster, *, payload_hash_b64u: str, signer_did: str) -> None:
        """Read one roster. Raises Refused ROSTER_NOT_CONTINUING or ROSTER_INVALID; then it is void."""
        last = self._chain[-1] if self._chain else None
        expected = (last.roster.number + 1, last.payload_hash_b64u) if last else (1, None)
        if (roster.number, roster.previous_b64u) != expected:
            raise Refused(
                "ROSTER_NOT_CONTINUING",
                "roster",
                expected=f"number {expected[0]} after {expected[1]}",
                found=f"number {roster.number} after {roster.previous_b64u}",
            )
        owners = check_people(roster, self._owners)
        signers = self._signers.setdefault(payload_hash_b64u, set())
        signers.add(signer_did)
        if len(signers) >= self._quorum:
            self._chain.append(RosterInForce(index, payload_hash_b64u, roster))
            self._owners = owners
            self._signers = {}

    def at(self, index: int) -> RosterInForce | None:
        """The roster in force at `index`: the last to come into force below it."""
        position = bisect_left(self._chain, index, key=lambda item: item.since)
        return self._chain[position - 1] if position else None

    def person_at(self, did: str, index: int) -> Person | None:
        """The person who holds key `did` in the roster in force at `index`.

        A role, log or witness key is never a person's, whatever a roster says.
        """
        in_force = self.at(index)
        if in_force is None or parse_did_key(did) in self._reserved:
            return None
        return in_force.roster.person_of(did)
