"""The order of steps that a policy makes: what must be done before a tool, and which tools can never be done at all.

Some steps are not written in ``required_before``: whatever leaves a logged decision, or has a step before it, needs a simulation;
whatever needs the proof bundle needs the execution that the bundle names; and nothing follows a closed ticket, whose job has ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def allowed_list(tool: Tool, member: str) -> list[str] | None:
    """``change_types`` or ``environments`` of a tool; None where any will do."""
    values: list[str] | UnsetType = getattr(tool, member)
    return None if isinstance(values, UnsetType) else values


def find_unreachable(rules: ChangeManagement) -> dict[str, list[Obstacle]]:
    """The allowed tools that can never be done under the policy, in its order, each with every reason.

    Members that deny everything (:func:`unsupported_in_policy`) are not among the reasons of each tool.
    """
    return Order(rules).find_unreachable()


def denied_tools(rules: ChangeManagement) -> set[str]:
    """Every listed tool that no evidence can get allowed."""
    if unsupported_in_policy(rules):
        return set(rules.tools)
    return {name for name, tool in rules.tools.items() if not tool.allowed} | find_unreachable(rules).keys()


class Order:
    """The steps of one policy, looked up once: a document at its bounds has thousands of them."""

    def __init__(self, rules: ChangeManagement) -> None:
        self.rules = rules
        self.written: dict[str, list[str]] = {name: [] for name in rules.tools}
        for step, tool in rules.tools.items():
            for name in [] if isinstance(tool.required_before, UnsetType) else dict.fromkeys(tool.required_before):
                if name in self.written:
                    self.written[name].append(step)
        self.prior = {name: self._prior(name) for name in rules.tools}
        self.all_prior = {name: self._all_prior(name) for name in rules.tools}

    def _prior(self, name: str) -> list[str]:
        """What must be done immediately before a listed tool, written or implied, the simulation left out."""
        steps = [step for step in self.written[name] if step != SIMULATE]
        if self.rules.tools[name].requires_proof_bundle_reference and EXECUTE not in steps:
            steps.append(EXECUTE)
        return steps

    def _all_prior(self, name: str) -> list[str]:
        """Every listed tool that must be done before this one, simulation left out; itself too where the steps form a circle."""
        found: dict[str, None] = {}
        ahead = list(self.prior[name])
        for step in ahead:  # which grows on the way
            if step not in found and step in self.prior:
                found[step] = None
                ahead += self.prior[step]
        return list(found)

    def find_circle(self, name: str) -> list[str] | None:
        """A way from a listed tool back to itself along the steps that must come first; None where there is none."""
        if name not in self.all_prior[name]:
            return None
        came_from: dict[str, str] = {}
        ahead = [name]
        for step in ahead:
            for earlier in self.prior.get(step, ()):
                if earlier not in came_from:
                    came_from[earlier] = step
                    ahead.append(earlier)
        way = [name, came_from[name]]
        while way[-1] != name:
            way.append(came_from[way[-1]])
        return way[::-1]

    def permitted_values(self, name: str, member: str) -> list[str] | None:
        """What ``change_types`` or ``environments`` leave open for a tool after all its steps; None for any."""
        lists = [allowed_list(self.rules.tools[one], member) for one in (name, *self.all_prior[name])]
        given = [one for one in lists if one is not None]
        if not given:
            return None
        common = set(given[0]).intersection(*given[1:])
        return [value for value in given[0] if value in common]

    def find_unreachable(self) -> dict[str, list[Obstacle]]:
        """See :func:`find_unreachable`."""
        tools = self.rules.tools
        dead = {name: own for name, tool in tools.items() if tool.allowed and (own := list(self._own_obstacles(name, tool)))}
        while True:
            more = {
                name: inherited
                for name, tool in tools.items()
                if tool.allowed and name not in dead and (inherited := list(self._inherited(name, dead)))
            }
            if not more:
                return {name: dead[name] for name in tools if name in dead}
            dead |= more

    def _own_obstacles(self, name: str, tool: Tool) -> Iterator[Obstacle]:
        if (sentence := unsupported_in_tool(tool)) is not None:
            yield Obstacle("step-up-unsupported", name, sentence)
        yield from self._simulation(name, tool)
        if (circle := self.find_circle(name)) is not None:
            yield Obstacle("step-circle", name, f"The steps form a circle: {' needs '.join(circle)}.")
        yield from self._forbidden_steps(name)
        yield from _own_records(name, tool)
        for member in LISTS:
            if self.permitted_values(name, member) == []:
                trap, what = f"no-{member.replace('_', '-')}-left", member.replace("_", " ")
                yield Obstacle(trap, name, f"{name} and the steps before it share no {what}.")

    def _simulation(self, name: str, tool: Tool) -> Iterator[Obstacle]:
        if not tool.decision_is_logged and not self.written[name]:
            return
        if not is_usable(self.rules, SIMULATE):
            fault = "not listed" if SIMULATE not in self.rules.tools else "not allowed"
            yield Obstacle("no-simulation", SIMULATE, f"{name} needs a simulation, and {SIMULATE} is {fault}.")
        if name == SIMULATE:
            said = f"{SIMULATE} is asked for before there is a simulation, and its own demands need one."
            yield Obstacle("simulation-needs-itself", name, said)

    def _forbidden_steps(self, name: str) -> Iterator[Obstacle]:
        for step in self.prior[name]:
            if step == CLOSE and name != CLOSE:
                yield Obstacle("step-after-close", CLOSE, f"{name} comes after {CLOSE}, with which the job ends.")
            elif not is_usable(self.rules, step):
                fault = "not listed" if step not in self.rules.tools else "not allowed"
                implied = step not in self.written[name]
                trap = "bundle-without-execution" if implied else "step-denied"
                why = "the bundle that it needs names an execution" if implied else "it needs it first"
                yield Obstacle(trap, step, f"{name} can never be done: {why}, and {step} is {fault}.")

    def _inherited(self, name: str, dead: Mapping[str, list[Obstacle]]) -> Iterator[Obstacle]:
        for step in self.prior[name]:
            if step in dead:
                said = f"{name} can never be done: it needs {step} first, which can never be done."
                yield Obstacle("step-denied", step, said)


def _own_records(name: str, tool: Tool) -> Iterator[Obstacle]:
    if name == EXECUTE and not tool.decision_is_logged:
        said = f"{EXECUTE} needs no approval and no plan match, so its allow is not logged, and nothing can be executed under it."
        yield Obstacle("execution-without-decision", name, said)
    if name == CLOSE and not tool.requires_proof_bundle_reference:
        said = f"{CLOSE} does not need the proof bundle, and a closure that names none is not valid."
        yield Obstacle("close-without-bundle", name, said)
