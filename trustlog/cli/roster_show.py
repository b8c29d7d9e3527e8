"""``trustlog roster show``: who may approve, and by which chain of rosters that is so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from trustlog.change.roster import RosterLink, Rosters, read_rosters
from trustlog.cli.answer import FAIL, PASS, report
from trustlog.cli.answer import show as show_result
from trustlog.cli.desk import at_desk
from trustlog.cli.options import json_option
from trustlog.cli.session import LogAccess, log_options
from trustlog.errors import REASONS, Refused, printable
from trustlog.formats.timestamp import format_timestamp
from trustlog.records.fields import UnsetType
from trustlog.records.roster import Person


@click.command(
    epilog="""\b
Example:
  trustlog roster show --log URL --trust trust.toml
  trustlog roster show --payload 2 --log URL --trust trust.toml > roster-2.json"""
)
@click.option(
    "--payload",
    type=click.IntRange(min=1),
    metavar="NUMBER",
    help="Print that roster's exact payload, for another authority to sign.",
)
@log_options
@json_option
def show(*, payload: int | None, access: LogAccess, as_json: bool) -> int:
    """Say who is in the roster in force, and the chain of rosters up to it, all read from the log and proven.

    Exit code 1 where no roster is in force: then nobody can approve anything.
    """
    rosters = at_desk(access, read_rosters)
    if payload is not None:
        click.echo(_payload_of(rosters, payload), nl=False)
        return PASS
    now_ns = time.time_ns()
    show_result(_describe(rosters, now_ns), [printable(line) for line in _lines(rosters, now_ns)], as_json=as_json)
    if rosters.in_force is not None:
        return PASS
    report("ROSTER_MISSING: no roster is in force, so nobody can approve", REASONS["ROSTER_MISSING"].next_step)
    return FAIL


def _payload_of(rosters: Rosters, number: int) -> bytes:
    links = [one for one in (*rosters.chain, *rosters.waiting) if one.roster.record.number == number]
    if len(links) != 1:
        found = f"{len(links)} that could come into force" if links else "none in the log"
        raise Refused(
            "NOT_FOUND", "there is no one roster of that number", param="payload", expected=str(number), found=found
        )
    candidate = links[0].signed[0].candidate
    assert candidate is not None
    return candidate.payload_text


def _lines(rosters: Rosters, now_ns: int) -> Iterator[str]:
    in_force = rosters.in_force
    if in_force is None:
        yield f"No roster is in force below index {rosters.size}."
    else:
        record = in_force.record
        yield f"roster {record.number} {in_force.payload_hash_b64u}, in force since index {in_force.in_force_at}"
        for person in record.people:
            yield from _person(person, now_ns, rosters.revoked)
    if rosters.chain or rosters.waiting or rosters.void:
        yield f"chain, each signed by {rosters.quorum} of the roster authorities:"
    for link in rosters.chain:
        yield from _link(link, f"in force since index {link.roster.in_force_at}")
    for link in rosters.waiting:
        yield from _link(link, f"waits: {len(_signers(link))} of {rosters.quorum} signers")
    for one in rosters.void:
        yield f"  void: the entry at index {one.index}, {one.void}, by {one.entry.signer_did}"


def _person(person: Person, now_ns: int, revoked: frozenset[str]) -> Iterator[str]:
    yield f"  {person.subject}: {', '.join(person.roles) or 'no role'}{_validity(person, now_ns)}"
    for did in person.keys:
        yield f"    {did}{', revoked' if did in revoked else ''}"
    if revoked.issuperset(person.keys):
        yield f"    no key{' in force' if person.keys else ''}, so this person cannot approve"


def _validity(person: Person, now_ns: int) -> str:
    said = [
        f"{word} {at.text}"
        for word, at in (("from", person.valid_from), ("until", person.valid_until))
        if not isinstance(at, UnsetType)
    ]
    if not said:
        return ""
    now = "" if person.is_valid_at(now_ns) else f", so not now ({format_timestamp(now_ns)})"
    return f"; valid {' '.join(said)}{now}"


def _link(link: RosterLink, standing: str) -> Iterator[str]:
    record = link.roster.record
    yield f"  number {record.number} {link.roster.payload_hash_b64u}, {standing}, previous {record.previous_b64u or 'none'}"
    for one in link.signed:
        yield f"    signed by {one.entry.signer_did} at index {one.index}"


def _signers(link: RosterLink) -> set[str]:
    return {one.entry.signer_did for one in link.signed}


def _describe(rosters: Rosters, now_ns: int) -> dict[str, Any]:
    in_force = rosters.in_force
    people = (
        [] if in_force is None else [_describe_person(person, now_ns, rosters.revoked) for person in in_force.record.people]
    )
    return {
        "tree_size": rosters.size,
        "quorum": rosters.quorum,
        "number": None if in_force is None else in_force.record.number,
        "people": people,
        "chain": [_describe_link(link) for link in rosters.chain],
        "waiting": [_describe_link(link) for link in rosters.waiting],
        "void": [{"index": one.index, "code": one.void, "signer_did": one.entry.signer_did} for one in rosters.void],
    }


def _describe_person(person: Person, now_ns: int, revoked: frozenset[str]) -> dict[str, Any]:
    times = {"valid_from": person.valid_from, "valid_until": person.valid_until}
    return {
        "subject": person.subject,
        "roles": list(person.roles),
        "keys": [str(key) for key in person.keys],
        "revoked_keys": [str(key) for key in person.keys if key in revoked],
        "idp": list(person.idp),
        **{name: None if isinstance(at, UnsetType) else at.text for name, at in times.items()},
        "is_valid": person.is_valid_at(now_ns),
    }


def _describe_link(link: RosterLink) -> dict[str, Any]:
    record = link.roster.record
    return {
        "number": record.number,
        "payload_hash_b64u": link.roster.payload_hash_b64u,
        "previous_b64u": record.previous_b64u,
        "in_force_at": None if link.roster.in_force_at < 0 else link.roster.in_force_at,
        "signed": [{"index": one.index, "signer_did": one.entry.signer_did} for one in link.signed],
    }
