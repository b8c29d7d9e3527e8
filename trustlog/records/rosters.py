"""The roster chain: which roster is in force at an index.

A roster comes into force at the index at which the quorum of different trusted signers of the same payload is reached, and is
in force above it. Each continues the one in force: its ``number`` is one more and its ``previous_b64u`` names it. A key, an
identity-provider id and a subject belong to one person in all rosters for ever, and a key with a role in the trust policy, a
log's or a witness's key is never a person's.
"""

from __future__ import annotations

from dataclasses import dataclass

from trustlog.errors import Refused
from trustlog.formats.didkey import parse_did_key
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.records.roster import Person, Roster


@dataclass(frozen=True, slots=True)
class RosterInForce:
    """A roster and the index at which it came into force: it holds for every higher index, until the next."""

    record: Roster
    payload_hash_b64u: str
    in_force_at: int


class RosterChain:
    """All rosters that came into force, oldest first."""

    def __init__(self, trust: TrustPolicy) -> None:
        self._quorum = trust.quorums["roster"]
        self._trust = trust
        self._in_force: list[RosterInForce] = []
        self._signers: dict[str, set[str]] = {}
        self._owners: dict[str, str] = {}
        self._personal: dict[str, bool] = {}  # what is asked of each key whose signature counts

    def fork(self) -> RosterChain:
        """A copy that changes alone."""
        copy = RosterChain(self._trust)
        copy._in_force = list(self._in_force)
        copy._signers = {payload: set(signers) for payload, signers in self._signers.items()}
        copy._owners = dict(self._owners)
        return copy

    def at(self, index: int) -> RosterInForce | None:
        """The roster in force at `index`: the last that came into force below it."""
        return next((roster for roster in reversed(self._in_force) if roster.in_force_at < index), None)

    def up_to(self, index: int) -> list[RosterInForce]:
        """Every roster that came into force below `index`, oldest first."""
        return [roster for roster in self._in_force if roster.in_force_at < index]

    def person_at(self, did: str, index: int) -> Person | None:
        """The person whose key `did` is at `index`; None for a key that anyone else may hold."""
        roster = self.at(index)
        person = None if roster is None else roster.record.person_of_key(did)
        return None if person is None or not self._is_personal(did) else person

    def check_continues(self, record: Roster, index: int) -> None:
        """Check that a roster continues the one in force at `index` and moves nobody's key to another person."""
        before = self.at(index)
        number = 1 if before is None else before.record.number + 1
        previous = None if before is None else before.payload_hash_b64u
        if (record.number, record.previous_b64u) != (number, previous):
            raise Refused(
                "ROSTER_NOT_CONTINUING",
                "the roster does not continue the one in force",
                param="payload.number",
                expected=f"number {number} with previous_b64u {previous}",
                found=f"number {record.number} with previous_b64u {record.previous_b64u}",
            )
        for position, person in enumerate(record.people):
            for value in (*person.keys, *person.idp):
                owner = self._owners.get(value, person.subject)
                if owner != person.subject:
                    detail = "a key or identity-provider id stays with one person for ever"
                    param = f"payload.people[{position}]"
                    raise Refused(
                        "ROSTER_INVALID", detail, param=param, expected=f"{value} with {owner}", found=person.subject
                    )

    def add(self, record: Roster, payload_hash_b64u: str, signer_did: str, index: int) -> None:
        """Count one signer of a roster that was checked; at the quorum it comes into force."""
        signers = self._signers.setdefault(payload_hash_b64u, set())
        signers.add(signer_did)
        if len(signers) < self._quorum:
            return
        self._in_force.append(RosterInForce(record, payload_hash_b64u, index))
        self._signers.clear()
        for person in record.people:
            self._owners.update(dict.fromkeys((*person.keys, *person.idp), person.subject))

    def _is_personal(self, did: str) -> bool:
        known = self._personal.get(did)
        if known is None:
            known = self._personal[did] = self._find_out_whether_personal(did)
        return known

    def _find_out_whether_personal(self, did: str) -> bool:
        if self._trust.role_of(did) is not None:
            return False
        public_key = parse_did_key(did)
        keys = (*self._trust.log_keys, *(witness.key for witness in self._trust.policy.witnesses))
        return all(key.public_key != public_key for key in keys)
