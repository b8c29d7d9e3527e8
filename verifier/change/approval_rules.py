"""Rules of one allow about people: the approvals that it lists count, and are enough different people with the roles."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.change.absence import check_absent
from verifier.change.case import Allow, Case
from verifier.change.findings import Findings
from verifier.change.listed_approval import is_of_another_scope, judge_listed
from verifier.errors import Refused
from verifier.ledger.rosters import RosterInForce
from verifier.records.policy import Tool
from verifier.records.roster import Person


def check_approvals(case: Case, findings: Findings, allow: Allow) -> None:
    """Every listed approval counts, and together they are enough people with the demanded roles.

    Told in the order of the gate: what stands against approvals of the scope, whether the others are enough people, and last
    what is listed of another scope.
    """
    roster = _check_roster(case, findings, allow)
    if roster is None:
        return
    name = allow.name("approvals.counts")
    people: list[Person] = []
    against: list[Refused] = []
    foreign: list[Refused] = []
    for approval_hash in allow.decision.approvals:
        outcome = judge_listed(case, allow, approval_hash)
        if isinstance(outcome, Refused):
            (foreign if is_of_another_scope(case, allow, approval_hash) else against).append(outcome)
            continue
        item, person = outcome
        findings.passed(name, f"by {person.subject}", index=item.index)
        people.append(person)
    for fault in against:
        findings.refused(name, fault, index=allow.index)
    if allow.tool is not None:
        _check_enough(findings, allow, allow.tool, people, roster)
    for fault in foreign:
        findings.refused(name, fault, index=allow.index)


def _check_roster(case: Case, findings: Findings, allow: Allow) -> RosterInForce | None:
    """The decision names the roster in force, at its view and at its own index; None if there is none."""
    roster, viewed = case.history.rosters.at(allow.index), case.history.rosters.at(allow.view)
    if roster is None or viewed is None:
        findings.failed(
            allow.name("approvals.roster"), "ROSTER_MISSING", expected="a roster in force below its view", index=allow.index
        )
        return None
    named = allow.decision.roster_b64u
    other = next((one.payload_hash_b64u for one in (viewed, roster) if one.payload_hash_b64u != named), None)
    adverse = None
    if other is not None:
        adverse = Refused("ROSTER_NOT_CONTINUING", "roster_b64u", expected=f"{other}, which is in force", found=named)
    check_absent(case, findings, allow, "approvals.latest_roster", expected="no later roster", adverse=adverse)
    return roster


def _check_enough(findings: Findings, allow: Allow, tool: Tool, people: Sequence[Person], roster: RosterInForce) -> None:
    """As many different people as the tool needs, one for each role, none of them in the requester's place."""
    name, needed = allow.name("approvals.enough"), tool.approvals_needed
    different = {person.subject: person for person in people}
    if len(different) < needed:
        code = "APPROVAL_SAME_PERSON" if len(people) > len(different) else "APPROVALS_INSUFFICIENT"
        found = ", ".join(different) or "nobody"
        findings.failed(name, code, expected=f"approvals of {needed} different people", found=found, index=allow.index)
        return
    constraints = tool.approver_constraints or ()
    if not _is_assignable(constraints, list(different.values())):
        findings.failed(
            name,
            "APPROVAL_ROLE_MISSING",
            expected="a different person for each of " + ", ".join(constraints),
            found=", ".join(_say_roles(person) for person in different.values()),
            index=allow.index,
        )
        return
    requester = roster.roster.person_named(allow.scope.requester)
    if needed >= 2 and (requester is None or not requester.is_valid_at(allow.decision.decided_at)):
        findings.failed(
            name,
            "REQUESTER_UNKNOWN",
            expected="a requester who is a valid person of the roster, so that approvers are known to be others",
            found=f"{allow.scope.requester}, who is none",
            index=allow.index,
        )
        return
    findings.passed(name, f"{len(different)} of {needed}: {', '.join(different) or 'none needed'}", index=allow.index)


def _say_roles(person: Person) -> str:
    return f"{person.subject} ({' '.join(person.roles) or 'no role'})"


def _is_assignable(roles: Sequence[str], people: Sequence[Person]) -> bool:
    """Whether every role can have a person of its own (bipartite matching)."""
    holder: dict[int, int] = {}  # person -> role, by their numbers
    return all(_assign(role, roles, people, holder, set()) for role in range(len(roles)))


def _assign(role: int, roles: Sequence[str], people: Sequence[Person], holder: dict[int, int], tried: set[int]) -> bool:
    """Give a role to a person who has it, if need be by giving what that person holds to another who was not yet tried."""
    for number, person in enumerate(people):
        if roles[role] not in person.roles or number in tried:
            continue
        tried.add(number)
        if number not in holder or _assign(holder[number], roles, people, holder, tried):
            holder[number] = role
            return True
    return False
