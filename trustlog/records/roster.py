"""A roster: the people, their keys, roles and identity-provider ids. Numbered, chained, and each replaces the one before."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from trustlog.errors import Refused
from trustlog.records.fields import UNSET, Did, Hash, Role, Struct, Subject, UnsetType, UtcInstant
from trustlog.records.kind import Kind, OwnRecord, by_schema


class Person(Struct, frozen=True, kw_only=True):
    """One person: an opaque subject, never a name or an address."""

    subject: Subject
    keys: Annotated[list[Did], Meta(max_length=64)]
    roles: Annotated[list[Role], Meta(max_length=64)]
    idp: Annotated[list[Hash], Meta(max_length=64)]
    valid_from: UtcInstant | UnsetType = UNSET
    valid_until: UtcInstant | UnsetType = UNSET

    def is_valid_at(self, ns: int) -> bool:
        """Whether from ≤ `ns` < until (nanoseconds since 1970)."""
        after_start = isinstance(self.valid_from, UnsetType) or self.valid_from.ns <= ns
        before_end = isinstance(self.valid_until, UnsetType) or ns < self.valid_until.ns
        return after_start and before_end


class Roster(OwnRecord, frozen=True, kw_only=True):
    """``number`` counts from 1; ``previous_b64u`` is the payload hash of the roster before, null for the first."""

    record: Literal["trustlog/roster/v1"]
    number: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    previous_b64u: Hash | None
    people: Annotated[list[Person], Meta(max_length=10_000)]

    def person_of_key(self, did: str) -> Person | None:
        """The person whose key `did` is."""
        return next((person for person in self.people if did in person.keys), None)


def _check(record: Roster, _signer_did: str, _payload_text: bytes) -> None:
    if (record.number == 1) != (record.previous_b64u is None):
        detail = "the first roster has no predecessor, every other has one"
        expected = "null for number 1, else a payload hash"
        raise Refused("ROSTER_INVALID", detail, param="payload.previous_b64u", expected=expected, found=record.previous_b64u)
    seen: dict[tuple[str, str], str] = {}  # a subject that is spelt like a provider id is no collision
    for position, person in enumerate(record.people):
        named = [("subject", person.subject), *(("key", key) for key in person.keys), *(("idp", one) for one in person.idp)]
        for what, value in named:
            if (what, value) in seen:
                raise Refused(
                    "ROSTER_INVALID",
                    "a subject, key or identity-provider id stands once in a roster",
                    param=f"payload.people[{position}]",
                    expected=f"{value} once, with {seen[what, value]}",
                    found=f"{value} again, with {person.subject}",
                )
            seen[what, value] = person.subject


ROSTER: Final = Kind(
    "roster",
    by_schema(Roster),
    ("roster_authorities",),
    own=True,
    refs=lambda record, _payload_hash: {"roster": record.number},
    check=_check,
)
