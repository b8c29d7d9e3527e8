"""Human approval receipts (Clawsig v1): one person's word on one scope."""

# ruff: noqa: RUF009 - s.member and s.optional are field specifiers, evaluated once on purpose

from __future__ import annotations

from dataclasses import dataclass

from verifier import schema as s
from verifier.errors import Refused

APPROVAL_ID = r"trustlog:approval:v1:[A-Za-z0-9_-]{22}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalBinding:
    """What an approval is tied to besides its scope: strings, and how sure an attribution is."""

    run_id: str | None = s.optional(s.string)
    event_hash_b64u: str | None = s.optional(s.string)
    nonce: str | None = s.optional(s.string)
    policy_hash: str | None = s.optional(s.string)
    token_scope_hash_b64u: str | None = s.optional(s.string)
    span_id: str | None = s.optional(s.string)
    spanId: str | None = s.optional(s.string)  # noqa: N815 - the published member's name
    parent_span_id: str | None = s.optional(s.string)
    parentSpanId: str | None = s.optional(s.string)  # noqa: N815
    tool_span_id: str | None = s.optional(s.string)
    toolSpanId: str | None = s.optional(s.string)  # noqa: N815
    phase: str | None = s.optional(s.string)
    attribution_confidence: float | None = s.optional(s.number)
    attributionConfidence: float | None = s.optional(s.number)  # noqa: N815
    capability_id: str | None = s.optional(s.string)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """An approval or a denial. Members exactly those of the published schema."""

    receipt_version: str = s.member(s.one_of("1"))
    receipt_id: str = s.member(s.text)
    approval_type: str = s.member(s.one_of("explicit_approve", "explicit_deny", "auto_approve", "timeout_deny"))
    approver_subject: str = s.member(s.text)
    approver_method: str | None = s.optional(s.one_of("ui_click", "cli_confirm", "api_call", "policy_auto", "timeout"))
    agent_did: str = s.member(s.text)
    scope_hash_b64u: str = s.member(s.text)
    scope_summary: str | None = s.optional(s.text_of(0, 1024))
    policy_hash_b64u: str | None = s.optional(s.string)
    minted_capability_id: str | None = s.optional(s.string)
    minted_capability_ttl_seconds: float | None = s.optional(s.amount)
    plan_hash_b64u: str | None = s.optional(s.string)
    evidence_required: tuple[str, ...] | None = s.optional(s.list_of(s.string))
    hash_algorithm: str = s.member(s.one_of("SHA-256"))
    timestamp: int = s.member(s.any_time)
    binding: ApprovalBinding | None = s.optional(s.object_of(ApprovalBinding))

    @property
    def is_denial(self) -> bool:
        """Whether this denies: by hand or by time-out."""
        return self.approval_type in ("explicit_deny", "timeout_deny")

    def refs(self) -> dict[str, str]:
        """`receipt run scope token_scope policy plan`."""
        found = {
            "receipt": self.receipt_id,
            "scope": self.scope_hash_b64u,
            "policy": self.policy_hash_b64u,
            "plan": self.plan_hash_b64u,
            "run": self.binding.run_id if self.binding else None,
            "token_scope": self.binding.token_scope_hash_b64u if self.binding else None,
        }
        return {name: value for name, value in found.items() if value is not None}


def check_approval(record: Approval) -> None:
    """Check that a policy hash in the binding, if any, is the approval's. Raises Refused RECEIPT_BINDING_MISMATCH."""
    bound = record.binding.policy_hash if record.binding else None
    if bound is not None and bound != record.policy_hash_b64u:
        raise Refused("RECEIPT_BINDING_MISMATCH", "binding.policy_hash", expected="the approval's policy_hash_b64u")
