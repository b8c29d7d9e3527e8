"""What a policy demands of one tool, said in plain sentences: for the person who is asked to approve under it."""

from __future__ import annotations

from trustlog.policy.rules import steps_before
from trustlog.records.fields import UnsetType
from trustlog.records.work_policy_contract import ChangeManagement, Tool

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def tool_sentences(rules: ChangeManagement, name: str) -> list[str]:
    """Every demand on the tool `name`, one sentence each, in the order in which a gate looks at them."""
    tool = rules.tools.get(name)
    if tool is None:
        return [f"{name} is not listed, so it is denied."]
    if not tool.allowed:
        return [f"{name} is not allowed."]
    return [*_steps(rules, name), *_plan(rules, tool), *_closing(tool), *_approvals(tool), *_unsupported(rules, tool)]


def duration(seconds: int) -> str:
    """A number of seconds in the largest unit that divides it."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds % size == 0), (1, "second"))
    count = seconds // size
    return f"{count} {unit}" + ("" if count == 1 else "s")


def _steps(rules: ChangeManagement, name: str) -> list[str]:
    before = steps_before(rules, name)
    return [f"Done before it, with success, for the same plan and job: {', '.join(before)}."] if before else []


def _plan(rules: ChangeManagement, tool: Tool) -> list[str]:
    said = []
    if not isinstance(tool.change_types, UnsetType):
        said.append(f"Only changes of type {' or '.join(tool.change_types)}.")
    if not isinstance(tool.environments, UnsetType):
        said.append(f"Only in {' or '.join(tool.environments)}.")
    if tool.plan_match:
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
    said = []
    if not isinstance(tool.step_up, UnsetType):
        acr, age = " or ".join(tool.step_up.acr), duration(tool.step_up.max_age_s)
        said.append(f"Every approver has signed in again ({acr}) within {age}; no gate can check that yet, so it is denied.")
    if rules.token_requirements.proof_of_possession:
        said.append("The token's holder proves possession of a key; no gate can check that yet, so it is denied.")
    if not isinstance(rules.models, UnsetType) or not isinstance(rules.budgets, UnsetType):
        said.append("It limits models or budgets, which nothing enforces yet, so it is denied.")
    return said
