"""What a policy demands, said in plain sentences: for whoever writes it, and for whoever is asked to approve under it."""

from __future__ import annotations

from trustlog.policy.duration import duration
from trustlog.policy.order import SIMULATE, needs_simulation
from trustlog.policy.rules import steps_before
from trustlog.policy.unsupported import unsupported_in_policy, unsupported_in_tool
from trustlog.records.fields import UnsetType
from trustlog.records.work_policy_contract import ChangeManagement, Tool

__all__ = ["duration", "policy_sentences", "tool_sentences"]


def policy_sentences(rules: ChangeManagement) -> list[str]:
    """What holds for every tool, one sentence each: validity, token, receipts, bundle, what is not listed, the order of steps."""
    return [
        *_validity(rules),
        *_token(rules),
        *_evidence(rules),
        "Whatever is missing, stale, unreadable or undecided is denied.",
        *_listed(rules),
        *_order(rules),
        *dict.fromkeys(unsupported_in_policy(rules).values()),
        *_hosts(rules),
    ]


def tool_sentences(rules: ChangeManagement, name: str) -> list[str]:
    """Every demand on the tool `name`, one sentence each, in the order in which a gate looks at them."""
    tool = rules.tools.get(name)
    if tool is None:
        return [f"{name} is not listed, so it is denied."]
    if not tool.allowed:
        return [f"{name} is not allowed."]
    return [*_steps(rules, name), *_plan(rules, tool), *_closing(tool), *_approvals(tool), *_unsupported(rules, tool)]


# The whole.


def _validity(rules: ChangeManagement) -> list[str]:
    start, end = rules.valid_from, rules.valid_until
    since = "" if isinstance(start, UnsetType) else f" from {start.text}"
    until = "" if isinstance(end, UnsetType) else f" until {end.text}"
    said = [f"It is valid{since}{until}." if since or until else "It is valid at any time."]
    if rules.superseded_policy is not None:
        said.append(
            f"It replaces policy {rules.superseded_policy}, under which everything is denied once this one is in force."
        )
    return said


def _token(rules: ChangeManagement) -> list[str]:
    demands = rules.token_requirements
    life = duration(demands.max_ttl_s)
    said = [f"Every action needs a logged token of exactly one job, pinned to this policy, that lives {life} at most."]
    if demands.optional_policy_hash_pinning:
        said.append("A token that was minted elsewhere may lack the pin; a pin to another policy is refused.")
    if not isinstance(demands.cst_scope_hash, UnsetType):
        said.append(f"The token's audience and scope are exactly those with the hash {demands.cst_scope_hash}.")
    return said


def _evidence(rules: ChangeManagement) -> list[str]:
    receipts, bundle = rules.enforcement.require_gateway_receipts, rules.enforcement.require_proof_bundle
    return [
        "What needs approvals needs a logged receipt of a model call as well."
        if receipts
        else "No receipt of a model call is demanded.",
        "A ticket closes only with the logged proof bundle of its change."
        if bundle
        else "The proof bundle is demanded only where a tool says so.",
    ]


def _listed(rules: ChangeManagement) -> list[str]:
    allowed = [name for name, tool in rules.tools.items() if tool.allowed]
    denied = [name for name, tool in rules.tools.items() if not tool.allowed]
    said = [f"Allowed, each under its own conditions: {', '.join(allowed)}." if allowed else "Nothing is allowed."]
    if denied:
        said.append(f"Never allowed: {', '.join(denied)}.")
    return [*said, "A tool that is not listed is denied."]


def _order(rules: ChangeManagement) -> list[str]:
    later = {name: tool.required_before for name, tool in rules.tools.items()}
    return [f"{name} comes before {', '.join(then)}." for name, then in later.items() if not isinstance(then, UnsetType)]


def _hosts(rules: ChangeManagement) -> list[str]:
    if isinstance(rules.egress, UnsetType):
        return []
    return [f"Meant to reach no hosts but {', '.join(rules.egress.hosts)}; nothing here enforces it."]


# One tool.


def _steps(rules: ChangeManagement, name: str) -> list[str]:
    before = steps_before(rules, name)
    said = [f"Done before it, with success, for the same plan and job: {', '.join(before)}."] if before else []
    if SIMULATE not in before and needs_simulation(rules, name):
        said.append("A successful simulation of the plan, for the same job, comes before it.")
    return said


def _plan(rules: ChangeManagement, tool: Tool) -> list[str]:
    said = []
    if not isinstance(tool.change_types, UnsetType):
        said.append(f"Only changes of type {' or '.join(tool.change_types)}.")
    if not isinstance(tool.environments, UnsetType):
        said.append(f"Only in {' or '.join(tool.environments)}.")
    if tool.decision_is_logged:
        said.append("Only the plan that was simulated, byte for byte.")
    if rules.enforcement.require_gateway_receipts and tool.approvals_needed:
        said.append("At least one receipt of a model call of this job, logged before the simulation.")
    return said


def _closing(tool: Tool) -> list[str]:
    return ["The reason must name the change's logged proof bundle."] if tool.requires_proof_bundle_reference else []


def _approvals(tool: Tool) -> list[str]:
    needed = tool.approvals_needed
    if not needed:
        return ["It needs nobody's approval."]
    people = "1 person other than the requester" if needed == 1 else f"{needed} different people, none of them the requester"
    said = [f"Approved by {people}."]
    if tool.constraints:
        said.append(f"Among them, each by somebody else: {', '.join(tool.constraints)}.")
    return [*said, f"An approval counts for {duration(tool.approval_ttl_s)}."]


def _unsupported(rules: ChangeManagement, tool: Tool) -> list[str]:
    own = unsupported_in_tool(tool)
    return [*([] if own is None else [own]), *dict.fromkeys(unsupported_in_policy(rules).values())]
