"""Who can fill the roles that a tool demands: by assignment, each role by a different person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
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
) -> str:
    """A few subjects of the roster whose approval would count besides those `counted`, with the role if one is named; or ""."""

    def could(person: Person) -> bool:
        is_another = person.subject not in (token.requester, *counted) and token.agent_did not in person.keys
        can_sign = any(key not in roster.revoked_keys for key in person.keys)
        return is_another and can_sign and person.is_valid_at(at_ns)

    people = (person.subject for person in roster.record.people if (role is None or role in person.roles) and could(person))
    named = list(islice(people, MOST_NAMED + 1))
    return " or ".join([*named[:MOST_NAMED], "others"] if len(named) > MOST_NAMED else named)


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
