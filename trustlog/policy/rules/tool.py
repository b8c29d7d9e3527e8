"""Rules about the tool that the policy lists, and about the plan that it is used for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from trustlog.errors import Refused
from trustlog.policy.facts import Missing, PolicyFact
from trustlog.policy.finding import Finding
from trustlog.policy.rules.rule import SIMULATE, needs_simulation, rule
from trustlog.records.fields import UnsetType
from trustlog.records.plan import Plan, compute_fingerprint, parse_plan
from trustlog.records.token_issued import TokenIssued
from trustlog.records.work_policy_contract import Tool

NO_PLAN_AT_ALL: Final = (  # why bytes are no plan
    "SCHEMA_VALIDATION_FAILED",
    "JSON_INVALID",
    "JSON_DUPLICATE_KEY",
    "JSON_LONE_SURROGATE",
    "JSON_NUMBER_OUT_OF_RANGE",
    "JSON_TOO_DEEP",
)
NO_PLAN: Final = "no plan that says so"
NAME_THE_PLAN: Final = "Name the plan: trustlog gate check --plan FILE …"


@rule("TOOL_NOT_LISTED", "TOOL_NOT_ALLOWED", enforces=["tools", "tools.*.allowed"])
def tool_is_listed_and_allowed(tool: Tool, action: str) -> Iterator[Finding]:
    """The policy lists the action, and allows it.

    “A tool that is not listed is denied”, and so is one that is not `allowed`.
    """
    if not tool.allowed:
        yield Finding("TOOL_NOT_ALLOWED", f"{action} with allowed: true", "allowed: false")


@rule("TOOL_NOT_LISTED", "TOOL_NOT_ALLOWED", enforces=["tools.*.allowed"], applies=needs_simulation)
def simulating_is_allowed(policy: PolicyFact) -> Iterator[Finding]:
    """The policy allows the simulation on which the action rests.

    “A tool that needs approvals needs a plan and a simulation”: so the policy must allow simulating.
    """
    tool = find_tool(policy, SIMULATE)
    if isinstance(tool, Missing):
        yield from tool.why
    elif not tool.allowed:
        yield Finding("TOOL_NOT_ALLOWED", f"{SIMULATE} with allowed: true", "allowed: false")


@rule("CHANGE_TYPE_NOT_ALLOWED", enforces=["tools.*.change_types"])
def change_type_is_allowed(tool: Tool, plan: Plan | None) -> Iterator[Finding]:
    """The plan's change type is one of those that the tool names.

    “Change type, environment and ticket equal the plan's … absent `change_types`, `environments` mean any”.
    """
    allowed = tool.change_types
    if not isinstance(allowed, UnsetType) and (plan is None or plan.change_type not in allowed):
        found = NO_PLAN if plan is None else plan.change_type
        step = NAME_THE_PLAN if plan is None else None
        yield Finding("CHANGE_TYPE_NOT_ALLOWED", f"one of {', '.join(allowed)}", found, step)


@rule("ENVIRONMENT_NOT_ALLOWED", enforces=["tools.*.environments"])
def environment_is_allowed(tool: Tool, plan: Plan | None) -> Iterator[Finding]:
    """The plan's environment is one of those that the tool names.

    “Change type, environment and ticket equal the plan's … absent `change_types`, `environments` mean any”.
    """
    allowed = tool.environments
    if not isinstance(allowed, UnsetType) and (plan is None or plan.environment not in allowed):
        found = NO_PLAN if plan is None else plan.environment
        step = NAME_THE_PLAN if plan is None else None
        yield Finding("ENVIRONMENT_NOT_ALLOWED", f"one of {', '.join(allowed)}", found, step)


@rule(
    "PLAN_MISSING",
    "PLAN_NOT_CANONICAL",
    "PLAN_MISMATCH",
    *NO_PLAN_AT_ALL,
    enforces=["tools.*.requires_plan_fingerprint_match", "plan: its exact bytes, for this ticket"],
)
def plan_is_the_stored_one(tool: Tool, plan: Plan | None, token: TokenIssued) -> Iterator[Finding]:
    """The plan's exact bytes are at hand, and are a plan for this ticket.

    “Bytes equal to their own RFC 8785 form … Plan fingerprint = SHA-256 of those bytes.” “Change type, environment
    and ticket equal the plan's.”
    """
    if plan is None:
        if tool.decision_is_logged:
            yield Finding("PLAN_MISSING", "a plan that is to be decided on", "none", NAME_THE_PLAN)
    elif plan.ticket != token.ticket:
        yield Finding("PLAN_MISMATCH", f"a plan for ticket {token.ticket}", plan.ticket)


def find_tool(policy: PolicyFact, action: str) -> Tool | Missing:
    """The tool that the policy lists under a name."""
    tool = policy.rules.tools.get(action)
    if tool is not None:
        return tool
    return Missing((Finding("TOOL_NOT_LISTED", f"one of {', '.join(sorted(policy.rules.tools))}", action),))


def read_plan(plan_hash: str, text: bytes | None, token: TokenIssued) -> Plan | Missing:
    """The plan whose exact bytes are `text`; None where they could not be had."""
    if text is None:
        step = f"Store the plan's exact bytes again: trustlog simulate --job {token.job_id} --plan FILE … does."
        return Missing((Finding("PLAN_MISSING", f"the bytes of plan {plan_hash}", "none in the log's payload store", step),))
    try:
        plan, fingerprint = _parse(text)
    except Refused as refused:
        step = "Write the plan anew and simulate it: trustlog simulate --write-plan writes the exact form."
        return Missing((Finding(refused.code, f"plan {plan_hash} to be a plan", refused.detail, step),))
    if fingerprint != plan_hash:
        return Missing((Finding("PLAN_MISMATCH", f"bytes with the fingerprint {plan_hash}", f"some with {fingerprint}"),))
    return plan


@lru_cache(maxsize=32)
def _parse(text: bytes) -> tuple[Plan, str]:
    """The plan and its fingerprint: one plan is read at every step of its change."""
    return parse_plan(text), compute_fingerprint(text)
