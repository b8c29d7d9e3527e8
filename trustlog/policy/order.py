"""The order of steps that a policy makes: what must be done before a tool, and which tools can never be done at all.

Some steps are not written in ``required_before``: whatever leaves a logged decision, or has a step before it, needs a simulation;
whatever needs the proof bundle needs the execution that the bundle names; and nothing follows a closed ticket, whose job has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from trustlog.policy.rules import steps_before
from trustlog.policy.unsupported import unsupported_in_policy, unsupported_in_tool
from trustlog.records.fields import UnsetType
from trustlog.records.work_policy_contract import ChangeManagement, Tool

SIMULATE: Final = "change.simulate"
EXECUTE: Final = "change.execute"
CLOSE: Final = "ticket.close"
LISTS: Final = ("change_types", "environments")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an allowed tool can never be done: the name of the trap, the tool at fault and a sentence."""

    trap: str
    at: str
    sentence: str


def is_usable(rules: ChangeManagement, name: str) -> bool:
    """Whether a tool is listed and allowed."""
    tool = rules.tools.get(name)
    return tool is not None and tool.allowed


def needs_simulation(rules: ChangeManagement, name: str) -> bool:
    """Whether a listed tool needs a successful simulation of its plan."""
    return rules.tools[name].decision_is_logged or bool(steps_before(rules, name))


def prior_steps(rules: ChangeManagement, name: str) -> list[str]:
    """What must be done immediately before a listed tool, written or implied, the simulation left out."""
    steps = [step for step in steps_before(rules, name) if step != SIMULATE]
    if rules.tools[name].requires_proof_bundle_reference and EXECUTE not in steps:
        steps.append(EXECUTE)
    return steps


def all_prior_steps(rules: ChangeManagement, name: str) -> list[str]:
    """Every listed tool that must be done before this one, the simulation left out; itself too where the steps form a circle."""
    found: list[str] = []
    ahead = prior_steps(rules, name)
    while ahead:
        step = ahead.pop(0)
        if step not in found and step in rules.tools:
            found.append(step)
            ahead += prior_steps(rules, step)
    return found


def find_circle(rules: ChangeManagement, name: str) -> list[str] | None:
    """A way from a listed tool back to itself along the steps that must come first; None where there is none."""
    ways: list[list[str]] = [[step] for step in prior_steps(rules, name)]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        if way[-1] == name:
            return [name, *way]
        if way[-1] not in seen and way[-1] in rules.tools:
            seen.add(way[-1])
            ways += [[*way, step] for step in prior_steps(rules, way[-1])]
    return None


def permitted_values(rules: ChangeManagement, name: str, member: str) -> list[str] | None:
    """What ``change_types`` or ``environments`` leave open for a tool after all its steps; None for any."""
    lists = [allowed_list(rules.tools[one], member) for one in (name, *all_prior_steps(rules, name))]
    given = [one for one in lists if one is not None]
    return [value for value in given[0] if all(value in one for one in given)] if given else None


def allowed_list(tool: Tool, member: str) -> list[str] | None:
    """``change_types`` or ``environments`` of a tool; None where any will do."""
    values: list[str] | UnsetType = getattr(tool, member)
    return None if isinstance(values, UnsetType) else values


def find_unreachable(rules: ChangeManagement) -> dict[str, list[Obstacle]]:
    """The allowed tools that can never be done under the policy, in its order, each with every reason.

    Members that deny everything (:func:`unsupported_in_policy`) are not among the reasons of each tool.
    """
    dead: dict[str, list[Obstacle]] = {}
    for name, tool in rules.tools.items():
        if tool.allowed and (own := list(_own_obstacles(rules, name, tool))):
            dead[name] = own
    while True:
        more = {
            name: inherited
            for name, tool in rules.tools.items()
            if tool.allowed and name not in dead and (inherited := list(_inherited(rules, name, dead)))
        }
        if not more:
            return {name: dead[name] for name in rules.tools if name in dead}
        dead |= more


def denied_tools(rules: ChangeManagement) -> set[str]:
    """Every listed tool that no evidence can get allowed."""
    if unsupported_in_policy(rules):
        return set(rules.tools)
    return {name for name, tool in rules.tools.items() if not tool.allowed} | find_unreachable(rules).keys()


def _own_obstacles(rules: ChangeManagement, name: str, tool: Tool) -> Iterator[Obstacle]:
    if (sentence := unsupported_in_tool(tool)) is not None:
        yield Obstacle("step-up-unsupported", name, sentence)
    if needs_simulation(rules, name) and not is_usable(rules, SIMULATE):
        fault = "not listed" if SIMULATE not in rules.tools else "not allowed"
        yield Obstacle("no-simulation", SIMULATE, f"{name} needs a simulation, and {SIMULATE} is {fault}.")
    if name == SIMULATE and needs_simulation(rules, name):
        said = f"{SIMULATE} is asked for before there is a simulation, and its own demands need one."
        yield Obstacle("simulation-needs-itself", name, said)
    yield from _circle(rules, name)
    yield from _forbidden_steps(rules, name)
    yield from _own_records(name, tool)
    for member in LISTS:
        if permitted_values(rules, name, member) == []:
            what = member.replace("_", " ")
            yield Obstacle(f"no-{member.replace('_', '-')}-left", name, f"{name} and the steps before it share no {what}.")


def _circle(rules: ChangeManagement, name: str) -> Iterator[Obstacle]:
    circle = find_circle(rules, name)
    if circle is not None:
        way = " needs ".join(circle)
        yield Obstacle("step-circle", name, f"The steps form a circle: {way}.")


def _forbidden_steps(rules: ChangeManagement, name: str) -> Iterator[Obstacle]:
    for step in prior_steps(rules, name):
        if step == CLOSE and name != CLOSE:
            yield Obstacle("step-after-close", CLOSE, f"{name} comes after {CLOSE}, with which the job ends.")
        elif not is_usable(rules, step):
            fault = "not listed" if step not in rules.tools else "not allowed"
            trap = "bundle-without-execution" if step == EXECUTE and step not in steps_before(rules, name) else "step-denied"
            why = (
                "the bundle that it needs names an execution" if trap == "bundle-without-execution" else "it needs it first"
            )
            yield Obstacle(trap, step, f"{name} can never be done: {why}, and {step} is {fault}.")


def _own_records(name: str, tool: Tool) -> Iterator[Obstacle]:
    if name == EXECUTE and not tool.decision_is_logged:
        said = f"{EXECUTE} needs no approval and no plan match, so its allow is not logged, and nothing can be executed under it."
        yield Obstacle("execution-without-decision", name, said)
    if name == CLOSE and not tool.requires_proof_bundle_reference:
        said = f"{CLOSE} does not need the proof bundle, and a closure that names none is not valid."
        yield Obstacle("close-without-bundle", name, said)


def _inherited(rules: ChangeManagement, name: str, dead: dict[str, list[Obstacle]]) -> Iterator[Obstacle]:
    for step in prior_steps(rules, name):
        if step in dead:
            yield Obstacle("step-denied", step, f"{name} can never be done: it needs {step} first, which can never be done.")
