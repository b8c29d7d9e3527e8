"""What a rule is: a function of facts that yields what stands against the action, with what it enforces and which codes it gives.

A rule names the facts that it needs as its parameters. Where one of them is :class:`~trustlog.policy.facts.Missing`, the rule does
not run: it gives the findings that say why the fact is missing. So no rule passes for want of a fact.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Literal

from trustlog.policy.facts import Missing
from trustlog.policy.finding import Finding
from trustlog.records.work_policy_contract import ChangeManagement, Tool

SIMULATE: Final = "change.simulate"
EXECUTE: Final = "change.execute"
CLOSE: Final = "ticket.close"

Check = Callable[..., Iterator[Finding]]
About = Literal["question", "presented token", "approval", "logged allow"]


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for, and the tool of the policy that speaks of it: whether a rule applies is read off these alone."""

    action: str
    rules: ChangeManagement
    tool: Tool


Applies = Callable[[Demand], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``enforces`` names members of the policy (``tools.*.allowed``) and clauses of the formats (``job: one run``); ``codes`` are all
    reason codes that it can give, those of its missing facts included. ``applies`` is None for a rule that holds for everything.
    """

    name: str
    check: Check
    needs: tuple[str, ...]
    pick: Callable[[object], tuple[object, ...]]
    enforces: tuple[str, ...]
    codes: tuple[str, ...]
    about: About
    applies: Applies | None

    @property
    def requirement(self) -> str:
        """The requirement, as the rule's docstring quotes it."""
        return inspect.getdoc(self.check) or ""

    def against(self, facts: object) -> Iterable[Finding]:
        """What stands against the action by this rule; a missing fact does. `facts` has an attribute for each that it needs."""
        values = self.pick(facts)
        for value in values:
            if type(value) is Missing:
                return [finding for one in values if type(one) is Missing for finding in one.why]
        return self.check(*values)


def rule(
    *codes: str, enforces: Iterable[str], applies: Applies | None = None, about: About = "question"
) -> Callable[[Check], Rule]:
    """Make a rule of a function; its name, its parameters and its docstring are the rule's."""

    def make(check: Check) -> Rule:
        needs = tuple(inspect.signature(check).parameters)
        return Rule(check.__name__, check, needs, _picker(needs), tuple(enforces), codes, about, applies)

    return make


def _picker(names: tuple[str, ...]) -> Callable[[object], tuple[object, ...]]:
    pick = attrgetter(*names)
    return pick if len(names) > 1 else lambda facts: (pick(facts),)


# When a rule applies.


def is_decided(demand: Demand) -> bool:
    """Decisions are logged for every tool that needs approvals, a plan match or a bundle."""
    return demand.tool.decision_is_logged


def needs_simulation(demand: Demand) -> bool:
    """What is decided needs a plan and a simulation, and so does what may come only after another step."""
    return demand.tool.decision_is_logged or bool(steps_before(demand.rules, demand.action))


def needs_receipts(demand: Demand) -> bool:
    """``require_gateway_receipts``, for an action that needs approvals."""
    return demand.rules.enforcement.require_gateway_receipts and demand.tool.approvals_needed > 0


def needs_approvals(demand: Demand) -> bool:
    """The tool needs somebody's approval."""
    return demand.tool.approvals_needed > 0


def needs_two_people(demand: Demand) -> bool:
    """The tool needs the approval of two people or more."""
    return demand.tool.approvals_needed >= 2


def closes(demand: Demand) -> bool:
    """The tool demands that the closing reason name the proof bundle."""
    return demand.tool.requires_proof_bundle_reference


def executes_or_closes(demand: Demand) -> bool:
    """What may not happen while an execution is open or broken."""
    return demand.action in (EXECUTE, CLOSE) or closes(demand)


def steps_before(rules: ChangeManagement, name: str) -> list[str]:
    """``required_before``: the tools that must have been done, successfully and for the same plan and job, before `name`."""
    return [
        other
        for other, tool in rules.tools.items()
        if isinstance(tool.required_before, list) and name in tool.required_before
    ]
