"""Rosters: the chain as the log has it, and a next one that is not void. Published by a roster authority."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trustlog.change.desk import Desk, Published
from trustlog.errors import Refused
from trustlog.formats.didkey import parse_did_key
from trustlog.formats.envelope import Signer, parse_envelope
from trustlog.gate.logged import Logged
from trustlog.gate.view import LogView
from trustlog.records.candidate import read_candidate
from trustlog.records.roster import Roster
from trustlog.records.rosters import RosterInForce

HEADER = ("number", "previous_b64u")


@dataclass(frozen=True, slots=True)
class RosterLink:
    """One roster that came into force, and the entries with which each of its signers signed it."""

    roster: RosterInForce
    signed: tuple[Logged, ...]


@dataclass(frozen=True, slots=True)
class Rosters:
    """The chain below `size`, oldest first; those that wait for more signers; and entries that are void, which have no effect.

    `revoked` are the keys of people in force that were revoked: what they sign does not count, whatever the roster says.
    """

    size: int
    quorum: int
    chain: tuple[RosterLink, ...]
    waiting: tuple[RosterLink, ...]
    void: tuple[Logged, ...]
    revoked: frozenset[str] = frozenset()

    @property
    def in_force(self) -> RosterInForce | None:
        """The last of the chain."""
        return self.chain[-1].roster if self.chain else None


async def read_rosters(desk: Desk) -> Rosters:
    """The rosters of the log as it is now, every entry of it read and proven."""
    await desk.reading.catch_up()
    view = desk.reading.view
    entries = list(view.of_kind("roster", view.size))
    by_payload: dict[str, list[Logged]] = {}
    for one in entries:
        if one.candidate is not None:
            by_payload.setdefault(one.payload_hash, []).append(one)
    in_force = view.rosters.up_to(view.size)
    chain = [RosterLink(one, tuple(by_payload.pop(one.payload_hash_b64u))) for one in in_force]
    number = in_force[-1].record.number + 1 if in_force else 1
    waiting = [
        RosterLink(RosterInForce(signed[0].record, name, -1), tuple(signed))
        for name, signed in by_payload.items()
        if signed[0].record.number == number
    ]
    void = tuple(one for one in entries if one.void is not None)
    people = in_force[-1].record.people if in_force else ()
    revoked = frozenset(str(key) for person in people for key in person.keys if view.is_key_revoked(key, view.size))
    return Rosters(view.size, view.trust.quorums["roster"], tuple(chain), tuple(waiting), void, revoked)


async def publish_roster(desk: Desk, signer: Signer, value: Mapping[str, Any], *, renumber: bool = False) -> Published:
    """Log a roster: a draft (``people``, and number and predecessor if stated), or a complete payload to be signed as it is.

    A draft without them, or any with `renumber`, continues the roster in force. What would be void, or would name a person whose
    key cannot count, is refused before anything is sent: ``ROSTER_NOT_CONTINUING``, ``ROSTER_INVALID``, ``SIGNER_…``.
    """
    await desk.reading.catch_up()
    view = desk.reading.view
    if "record" in value:
        envelope = desk.seal("roster", value, signer)
    else:
        stated = {} if renumber else {name: value[name] for name in HEADER if name in value}
        members = {**_next_header(view), **stated, "people": value["people"]}
        envelope = desk.seal_record("roster", members, signer)
    candidate = read_candidate(parse_envelope(envelope), origin=view.origin)
    _check_counts(view, candidate.record, candidate.payload_hash_b64u, signer)
    return await desk.submit(envelope)


def _next_header(view: LogView) -> dict[str, Any]:
    before = view.rosters.at(view.size)
    if before is None:
        return {"number": 1, "previous_b64u": None}
    return {"number": before.record.number + 1, "previous_b64u": before.payload_hash_b64u}


def _check_counts(view: LogView, record: Roster, payload_hash: str, signer: Signer) -> None:
    if any(one.entry.signer_did == signer.did for one in view.by_payload(payload_hash, "roster", view.size)):
        return  # the same again: the log says where it is
    if view.is_key_revoked(signer.did, view.size):
        raise Refused("KEY_REVOKED", "this key is revoked; nothing was logged", param="key", found=signer.did)
    view.rosters.check_continues(record, view.size)
    not_personal = {parse_did_key(window.did): role for role, windows in view.trust.roles.items() for window in windows}
    not_personal |= {key.public_key: "log" for key in view.trust.log_keys}
    not_personal |= {witness.key.public_key: "witness" for witness in view.trust.policy.witnesses}
    for position, person in enumerate(record.people):
        for did in person.keys:
            use = not_personal.get(parse_did_key(did))
            if use is not None:
                raise Refused(
                    "ROSTER_INVALID",
                    "a key that has a role is never a person's, so nothing that it signs as one would count",
                    param=f"people[{position}].keys",
                    expected=f"a key of {person.subject} alone",
                    found=f"{did}, which the trust policy names under {use}",
                    hint="make the person a key of their own: trustlog keygen FILE, or one in their ssh-agent",
                )
