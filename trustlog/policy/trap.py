"""Every trap that a valid policy can hold: its stable name, how much it matters, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from trustlog.policy.paths import Path

Weight: TypeAlias = Literal["never", "weak", "note"]
"""``never``: something can never be allowed. ``weak``: it protects less than it seems to. ``note``: worth knowing, no fault."""


@dataclass(frozen=True, slots=True)
class TrapKind:
    """One sort of trap."""

    weight: Weight
    next_step: str


@dataclass(frozen=True, slots=True)
class Trap:
    """One trap in one policy: its registered name, the member at fault, and what is wrong in one sentence."""

    name: str
    path: Path
    sentence: str

    def __post_init__(self) -> None:
        assert self.name in TRAPS, self.name

    @property
    def weight(self) -> Weight:
        """How much it matters."""
        return TRAPS[self.name].weight

    @property
    def next_step(self) -> str:
        """What to do about it."""
        return TRAPS[self.name].next_step

    @property
    def is_warning(self) -> bool:
        """Whether it is more than a note."""
        return self.weight != "note"


TRAPS: Final[dict[str, TrapKind]] = {
    # The whole policy.
    "no-rules": TrapKind(
        "never", "Add the rules under metadata.change_management, or keep the policy for the model proxy alone."
    ),
    "no-tools": TrapKind("never", "List the tools that may be used."),
    "expired": TrapKind("never", "Write a later valid_until, or leave it out."),
    "possession-unsupported": TrapKind("never", "Leave proof_of_possession out until it is supported."),
    "models-unsupported": TrapKind("never", "Leave models out until it is supported."),
    "budgets-unsupported": TrapKind("never", "Leave budgets out until it is supported."),
    "receipts-not-required": TrapKind(
        "weak", "Set require_gateway_receipts to true, so that every plan has logged model calls."
    ),
    "bundle-not-required": TrapKind("weak", "Set require_proof_bundle to true, so that no ticket closes without evidence."),
    "egress-not-enforced": TrapKind("note", "Restrict the network by other means; the list only says what is meant."),
    "demand-always-made": TrapKind("note", "Write true: the gate demands it whatever the policy says."),
    # One tool: who must agree.
    "nobody-approves": TrapKind("weak", "Set two_person_rule to true, and name roles in approver_constraints."),
    "one-person-decides": TrapKind("weak", "Set two_person_rule to true."),
    "anyone-may-approve": TrapKind("weak", "Name as many roles in approver_constraints as there are approvals."),
    "roles-raise-approvals": TrapKind("note", "Write step_up_approvals as the number of people that the roles need."),
    "plan-match-stays": TrapKind(
        "note", "Leave it out, or take the approvals away: what people approve is always one exact plan."
    ),
    "approvals-outlive-tokens": TrapKind(
        "note", "Expect to renew the token (trustlog token mint, same job), or shorten approval_ttl_s."
    ),
    "tokens-outlive-approvals": TrapKind(
        "note", "Expect to approve again under the same token, or lengthen approval_ttl_s."
    ),
    # One tool: whether it can be done.
    "step-up-unsupported": TrapKind("never", "Leave step_up out until it is supported."),
    "no-simulation": TrapKind("never", "List change.simulate with allowed true."),
    "simulation-needs-itself": TrapKind("never", "Take approvals, plan match and earlier steps away from change.simulate."),
    "step-circle": TrapKind("never", "Take one of the tools out of another's required_before."),
    "step-denied": TrapKind("never", "Allow the step and what it needs, or take this tool out of its required_before."),
    "step-after-close": TrapKind("never", "Take the tool out of ticket.close's required_before."),
    "bundle-without-execution": TrapKind("never", "Allow change.execute, or do not demand the bundle."),
    "execution-without-decision": TrapKind("never", "Set two_person_rule, or requires_plan_fingerprint_match, to true."),
    "close-without-bundle": TrapKind("never", "Set requires_proof_bundle_reference to true."),
    "no-change-types-left": TrapKind("never", "List a type that every step before it permits as well."),
    "no-environments-left": TrapKind("never", "List an environment that every step before it permits as well."),
    "earlier-step-forbids": TrapKind("weak", "List it at the earlier step as well, or take it out here."),
    "unlisted-step": TrapKind(
        "weak", "Correct the name, or list the tool: what is not listed is denied, so nothing waits for this step."
    ),
    "name-like-another": TrapKind("weak", "Write the tool's name exactly: names are compared byte by byte."),
    "plan-always-needed": TrapKind("note", "Name a plan whenever the gate is asked for it, or take the list away."),
    # With a roster.
    "too-few-people": TrapKind("never", "Put more people with valid keys into the roster, or demand fewer."),
    "no-such-people": TrapKind("never", "Give the roles to different people of the roster, or change approver_constraints."),
    "requester-leaves-too-few": TrapKind(
        "weak", "Let somebody else request such changes, or put more people with these roles into the roster."
    ),
}
