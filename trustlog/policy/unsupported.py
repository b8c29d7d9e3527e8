"""What can be written in a policy and is denied for the time being, because nothing enforces it yet."""

from __future__ import annotations

from trustlog.policy.duration import duration
from trustlog.policy.paths import Path
from trustlog.records.fields import UnsetType
from trustlog.records.work_policy_contract import ChangeManagement, Tool


def unsupported_in_policy(rules: ChangeManagement) -> dict[Path, str]:
    """The members because of which everything under the policy is denied, each with a sentence."""
    found: dict[Path, str] = {}
    if rules.token_requirements.proof_of_possession:
        said = "The token's holder proves possession of a key; no gate can check that yet, so it is denied."
        found["token_requirements", "proof_of_possession"] = said
    for name in ("models", "budgets"):
        if not isinstance(getattr(rules, name), UnsetType):
            found[name,] = "It limits models or budgets, which nothing enforces yet, so it is denied."
    return found


def unsupported_in_tool(tool: Tool) -> str | None:
    """Why the tool is denied although it is allowed; None for a tool that can be judged."""
    if isinstance(tool.step_up, UnsetType):
        return None
    acr, age = " or ".join(tool.step_up.acr), duration(tool.step_up.max_age_s)
    return f"Every approver has signed in again ({acr}) within {age}; no gate can check that yet, so it is denied."
