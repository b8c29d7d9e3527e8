"""Who can fill the roles that a tool demands: by assignment, each role by a different person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trustlog.policy.facts import RosterFact
from trustlog.records.roster import Person
from trustlog.records.token_issued import TokenIssued

MOST_NAMED: Final = 5


def assign_roles(constraints: Sequence[str], roles_of: Mapping[str, frozenset[str]]) -> dict[str, str] | None:
    """``approver_constraints``: a different person for every role, by bipartite matching; role → subject, or None.

    `roles_of` maps a person's subject to their roles. A role named twice needs two people.
    """
    assigned = _match(constraints, roles_of)
    if len(assigned) < len(constraints):
        return None
    return {f"{role}#{position}": assigned[position] for position, role in enumerate(constraints)}


def unfilled_roles(constraints: Sequence[str], roles_of: Mapping[str, frozenset[str]]) -> list[str]:
    """The roles that stay without a person when as many as possible are filled."""
    assigned = _match(constraints, roles_of)
    return [role for position, role in enumerate(constraints) if position not in assigned]


def who_could_approve(
    roster: RosterFact, token: TokenIssued, *, at_ns: int, counted: Sequence[str], role: str | None = None
) -> list[str]:
    """The subjects of the roster whose approval would count besides those `counted`: with the role, if one is named."""

    def could(person: Person) -> bool:
        is_another = person.subject != token.requester and person.subject not in counted
        has_key = any(key != token.agent_did for key in person.keys)
        has_role = role is None or role in person.roles
        return is_another and has_role and has_key and person.is_valid_at(at_ns)

    return [person.subject for person in roster.record.people if could(person)]


def name_some(subjects: Sequence[str]) -> str:
    """A few of them by name, and how many more there are."""
    more = len(subjects) - MOST_NAMED
    return " or ".join(subjects[:MOST_NAMED]) + (f" (or {more} more)" if more > 0 else "")


def _match(constraints: Sequence[str], roles_of: Mapping[str, frozenset[str]]) -> dict[int, str]:
    """A largest assignment: position of the role → subject."""
    assigned: dict[int, str] = {}

    def place(position: int, tried: set[str]) -> bool:
        for subject, roles in roles_of.items():
            if constraints[position] not in roles or subject in tried:
                continue
            tried.add(subject)
            holder = next((slot for slot, who in assigned.items() if who == subject), None)
            if holder is None or place(holder, tried):
                assigned[position] = subject
                return True
        return False

    for position in range(len(constraints)):
        place(position, set())
    return assigned
