"""The rules that can be read off the policy document alone, one function each.

Every function takes the policy (or one tool of it) and facts, and yields the findings that stand against the action: nothing
yielded, nothing against it. Times are nanoseconds since 1970; validity is half-open, from ≤ t < until.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.policy.finding import Finding
from trustlog.records.fields import UnsetType
from trustlog.records.plan import Plan
from trustlog.records.token_issued import TokenIssued
from trustlog.records.token_scope import sort_names
from trustlog.records.work_policy_contract import ChangeManagement, Tool


def policy_validity(rules: ChangeManagement, at_ns: int) -> Iterator[Finding]:
    """``valid_from`` / ``valid_until``: the policy is in force only within them."""
    if not isinstance(rules.valid_from, UnsetType) and at_ns < rules.valid_from.ns:
        yield Finding("POLICY_NOT_IN_FORCE", f"a time from {rules.valid_from.text}", format_timestamp(at_ns))
    if not isinstance(rules.valid_until, UnsetType) and at_ns >= rules.valid_until.ns:
        yield Finding("POLICY_NOT_IN_FORCE", f"a time before {rules.valid_until.text}", format_timestamp(at_ns))


def unsupported_demands(rules: ChangeManagement, tool: Tool) -> Iterator[Finding]:
    """A policy that demands what this gate cannot check is denied, never waved through."""
    if not isinstance(tool.step_up, UnsetType):
        yield Finding("STEP_UP_UNSUPPORTED", "a tool without step_up", "step_up, which this gate cannot check yet")
    if rules.token_requirements.proof_of_possession:
        found = "proof_of_possession, which this gate cannot check yet"
        yield Finding("PROOF_OF_POSSESSION_UNSUPPORTED", "a policy without proof_of_possession", found)
    for name in ("models", "budgets"):
        if not isinstance(getattr(rules, name), UnsetType):
            yield Finding("POLICY_UNSUPPORTED", f"a policy without {name}", f"{name}, which nothing here enforces yet")


def token_lifetime(rules: ChangeManagement, token: TokenIssued, at_ns: int) -> Iterator[Finding]:
    """``max_ttl_s``: the token lives no longer than that, and the time lies within its life."""
    ttl_s = token.exp - token.iat
    most_s = rules.token_requirements.max_ttl_s
    if ttl_s > most_s:
        yield Finding("TOKEN_TTL_EXCEEDED", f"a token that lives at most {most_s} s", f"{ttl_s} s")
    if not token.iat * NS <= at_ns < token.exp * NS:
        life = f"{format_timestamp(token.iat * NS)} until {format_timestamp(token.exp * NS)}"
        yield Finding("TOKEN_EXPIRED", f"a time from {life}", format_timestamp(at_ns))


def token_scope(rules: ChangeManagement, token: TokenIssued) -> Iterator[Finding]:
    """``cst_scope_hash``: the token's audience and scope are exactly those that the policy pins."""
    pinned = rules.token_requirements.cst_scope_hash
    if isinstance(pinned, UnsetType):
        return
    terms = {"aud": sort_names(token.aud), "scope": sort_names(token.scope)}
    found = "b64u:" + encode_b64u(hashlib.sha256(canonicalize(terms)).digest())
    if found != pinned:
        yield Finding("TOKEN_SCOPE_MISMATCH", f"aud and scope with the hash {pinned}", found)


def tool_listed(rules: ChangeManagement, name: str) -> Iterator[Finding]:
    """``tools``: a tool that is not listed is denied; so is one that is not ``allowed``."""
    tool = rules.tools.get(name)
    if tool is None:
        yield Finding("TOOL_NOT_LISTED", f"one of {', '.join(sorted(rules.tools))}", name)
    elif not tool.allowed:
        yield Finding("TOOL_NOT_ALLOWED", f"{name} with allowed: true", "allowed: false")


def change_type_and_environment(tool: Tool, plan: Plan | None) -> Iterator[Finding]:
    """``change_types``, ``environments``: where they are given, the plan must have one of them."""
    demands = (
        ("CHANGE_TYPE_NOT_ALLOWED", tool.change_types, plan.change_type if plan else None),
        ("ENVIRONMENT_NOT_ALLOWED", tool.environments, plan.environment if plan else None),
    )
    for code, allowed, found in demands:
        if not isinstance(allowed, UnsetType) and found not in allowed:
            yield Finding(code, f"one of {', '.join(allowed)}", found or "no plan that says so")


def steps_before(rules: ChangeManagement, name: str) -> list[str]:
    """``required_before``: the tools that must have been done, successfully and for the same plan and job, before `name`."""
    return [
        other
        for other, tool in rules.tools.items()
        if not isinstance(tool.required_before, UnsetType) and name in tool.required_before
    ]


def assign_roles(constraints: list[str], roles_of: Mapping[str, frozenset[str]]) -> dict[str, str] | None:
    """``approver_constraints``: a different person for every role, by bipartite matching; role → subject, or None.

    `roles_of` maps a person's subject to their roles. A role named twice needs two people.
    """
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

    if not all(place(position, set()) for position in range(len(constraints))):
        return None
    return {f"{role}#{position}": assigned[position] for position, role in enumerate(constraints)}
