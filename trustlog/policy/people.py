"""Whether the people of a roster can satisfy a policy at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trustlog.policy.rules import assign_roles
from trustlog.policy.trap import Trap
from trustlog.records.roster import Roster
from trustlog.records.work_policy_contract import ChangeManagement, Tool


def able_people(roster: Roster, at_ns: int) -> dict[str, frozenset[str]]:
    """The people who can approve at a time (nanoseconds since 1970): within their validity, with a key; subject → roles."""
    people = (person for person in roster.people if person.keys and person.is_valid_at(at_ns))
    return {person.subject: frozenset(person.roles) for person in people}


def roster_traps(rules: ChangeManagement, roster: Roster, at_ns: int) -> Iterator[Trap]:
    """The tools whose approvals these people cannot give, or cannot give for some requester."""
    able = able_people(roster, at_ns)
    for name, tool in rules.tools.items():
        if tool.allowed and tool.approvals_needed:
            yield from _of_tool(name, tool, able)


def _of_tool(name: str, tool: Tool, able: Mapping[str, frozenset[str]]) -> Iterator[Trap]:
    needed, path = tool.approvals_needed, ("tools", name)
    if len(able) < needed:
        said = f"{name} needs {needed} people, and the roster has {len(able)} who can approve now."
        yield Trap("too-few-people", path, said)
        return
    if not _suffices(tool, able):
        has = {role: sum(role in roles for roles in able.values()) for role in dict.fromkeys(tool.constraints)}
        found = ", ".join(f"{role}: {count}" for role, count in has.items())
        said = (
            f"{name} needs a different person for each of {', '.join(tool.constraints)}; the roster has, of each, {found}."
        )
        yield Trap("no-such-people", (*path, "approver_constraints"), said)
        return
    barred = [subject for subject in _candidates(tool, able) if not _suffices(tool, _without(able, subject))]
    if barred:
        who = ", ".join(barred) if len(barred) < len(able) else "anybody of the roster"
        said = f"{name} can never be approved if it is requested by {who}: nobody approves their own request."
        yield Trap("requester-leaves-too-few", (*path, "approver_constraints"), said)


def _candidates(tool: Tool, able: Mapping[str, frozenset[str]]) -> list[str]:
    """Those whose absence could matter: everybody where the number just suffices, else those of one good assignment."""
    if len(able) == tool.approvals_needed:
        return list(able)
    assigned = assign_roles(tool.constraints, able) or {}
    return [subject for subject in able if subject in assigned.values()]


def _suffices(tool: Tool, able: Mapping[str, frozenset[str]]) -> bool:
    return len(able) >= tool.approvals_needed and assign_roles(tool.constraints, able) is not None


def _without(able: Mapping[str, frozenset[str]], subject: str) -> dict[str, frozenset[str]]:
    return {one: roles for one, roles in able.items() if one != subject}
