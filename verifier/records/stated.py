"""What an agent states in its bundle about effects, approvals and delegations: raw, covered by its signature alone.

The members are those of the bundle's schema and of the receipts' own schemas together; required are the bundle's.
Nothing here is believed; it is only read strictly.
"""

# ruff: noqa: RUF009 - s.member and s.optional are field specifiers, evaluated once on purpose

from __future__ import annotations

from dataclasses import dataclass

from verifier import schema as s
from verifier.records.receipts import ReceiptBinding

_algorithm = s.one_of("SHA-256")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedSideEffect:
    """An effect, as the agent tells it."""

    receipt_version: str = s.member(s.one_of("1"))
    receipt_id: str = s.member(s.text)
    effect_class: str = s.member(s.one_of("network_egress", "filesystem_write", "external_api_write"))
    hash_algorithm: str = s.member(_algorithm)
    agent_did: str = s.member(s.did)
    timestamp: int = s.member(s.any_time)
    target_digest: str | None = s.optional(s.string)
    request_digest: str | None = s.optional(s.string)
    response_digest: str | None = s.optional(s.string)
    target_hash_b64u: str | None = s.optional(s.text)
    request_hash_b64u: str | None = s.optional(s.text)
    response_hash_b64u: str | None = s.optional(s.text)
    response_status: str | None = s.optional(s.one_of("success", "error", "timeout", "denied"))
    vendor_id: str | None = s.optional(s.string)
    latency_ms: float | None = s.optional(s.amount)
    bytes_written: float | None = s.optional(s.amount)
    binding: ReceiptBinding | None = s.optional(s.object_of(ReceiptBinding))


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedApproval:
    """An approval, as the agent tells it; it proves nothing about people."""

    receipt_version: str = s.member(s.one_of("1"))
    receipt_id: str = s.member(s.text)
    approval_type: str = s.member(s.one_of("explicit_approve", "explicit_deny", "auto_approve", "timeout_deny"))
    agent_did: str = s.member(s.did)
    timestamp: int = s.member(s.any_time)
    approver_subject: str | None = s.optional(s.string)
    approver_method: str | None = s.optional(s.one_of("ui_click", "cli_confirm", "api_call", "policy_auto", "timeout"))
    scope_hash_b64u: str | None = s.optional(s.string)
    scope_summary: str | None = s.optional(s.text_of(0, 1024))
    plan_hash_b64u: str | None = s.optional(s.string)
    policy_hash_b64u: str | None = s.optional(s.string)
    capability_minted: bool | None = s.optional(s.flag)
    minted_capability_id: str | None = s.optional(s.string)
    minted_capability_ttl_seconds: float | None = s.optional(s.amount)
    evidence_required: tuple[str, ...] | None = s.optional(s.list_of(s.string))
    hash_algorithm: str | None = s.optional(s.one_of("SHA-256"))
    binding: ReceiptBinding | None = s.optional(s.object_of(ReceiptBinding))


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedDelegation:
    """A delegation, as the agent tells it."""

    receipt_version: str = s.member(s.one_of("1"))
    receipt_id: str = s.member(s.text)
    delegator_did: str = s.member(s.did)
    delegate_did: str = s.member(s.did)
    task_description_hash_b64u: str = s.member(s.loose_hash)
    delegate_bundle_hash_b64u: str = s.member(s.loose_hash)
    delegation_policy: str | None = s.optional(s.string)
    hash_algorithm: str = s.member(_algorithm)
    delegated_at: int = s.member(s.any_time)
    completed_at: int | None = s.optional(s.any_time)
    binding: ReceiptBinding | None = s.optional(s.object_of(ReceiptBinding))
