"""Rosters: which people exist, with which keys, roles and identity-provider ids. Numbered and chained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from verifier import schema as s
from verifier.errors import Refused
from verifier.records.own import OwnRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person. Valid at a time t with valid_from ≤ t < valid_until."""

    subject: str = s.member(s.subject)
    keys: tuple[str, ...] = s.member(s.list_of(s.did_key, maximum=64))
    roles: tuple[str, ...] = s.member(s.list_of(s.role_name, maximum=64))
    idp: tuple[str, ...] = s.member(s.list_of(s.hash43, maximum=64))
    valid_from: int | None = s.optional(s.time)
    valid_until: int | None = s.optional(s.time)

    def is_valid_at(self, time_ns: int) -> bool:
        """Whether the person is valid at `time_ns`; the interval is half-open."""
        return (self.valid_from is None or self.valid_from <= time_ns) and (
            self.valid_until is None or time_ns < self.valid_until
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster(OwnRecord):
    """A whole roster; it replaces its predecessor as a whole."""

    number: int = s.member(s.integer(1))
    previous_b64u: str | None = s.member(s.nullable(s.hash43))
    people: tuple[Person, ...] = s.member(s.list_of(s.object_of(Person), maximum=10_000))

    def person_of(self, did: str) -> Person | None:
        """The person who holds the key `did`."""
        return next((person for person in self.people if did in person.keys), None)

    def person_named(self, subject: str) -> Person | None:
        """The person with this subject."""
        return next((person for person in self.people if person.subject == subject), None)

    def refs(self) -> dict[str, str]:
        """`roster`: its number."""
        return {"roster": str(self.number)}


def check_roster(roster: Roster) -> None:
    """Check what a roster says by itself: only the first has no predecessor, and nothing stands twice in it.

    Raises Refused ROSTER_INVALID.
    """
    if (roster.number == 1) != (roster.previous_b64u is None):
        raise Refused("ROSTER_INVALID", "previous_b64u", expected="null for number 1, else a payload hash")
    seen: set[tuple[str, str]] = set()
    for person in roster.people:
        for what, value in _names(person):
            if (what, value) in seen:
                raise Refused("ROSTER_INVALID", what, expected="once in a roster", found=value)
            seen.add((what, value))


def _names(person: Person) -> list[tuple[str, str]]:
    return [
        ("subject", person.subject),
        *(("key", key) for key in person.keys),
        *(("idp", idp) for idp in person.idp),
    ]


def check_people(roster: Roster, owners: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Check that every subject, key and identity-provider id belongs to one person in all rosters for ever.

    `owners` maps ("key" or "idp", value) to the subject that held it in the rosters that came into force so far.
    Returns the owners after this roster. Raises Refused ROSTER_INVALID.
    """
    result = dict(owners)
    for person in roster.people:
        for what, value in _names(person):
            owner = result.setdefault((what, value), person.subject)
            if owner != person.subject:
                raise Refused("ROSTER_INVALID", f"{what} of {person.subject}", expected=f"only {owner}")
    return result
