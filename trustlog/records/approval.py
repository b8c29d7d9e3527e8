"""A human approval or denial (Clawsig human_approval_receipt v1): one person, one scope."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from trustlog.errors import Refused
from trustlog.records.fields import UNSET, Instant, Number, Struct, Text, UnsetType
from trustlog.records.kind import PERSON, Claim, Kind, by_schema, claim
from trustlog.records.receipts import NO_STATEMENT_BINDING, StatementBinding

DENIALS: Final = ("explicit_deny", "timeout_deny")


class HumanApprovalReceipt(Struct, frozen=True, kw_only=True):
    """What an approver signs. ``scope_hash_b64u`` is the SHA-256 of the scope document; approvals are per action."""

    receipt_version: Literal["1"]
    receipt_id: Text
    approval_type: Literal["explicit_approve", "explicit_deny", "auto_approve", "timeout_deny"]
    approver_subject: Text
    agent_did: Text
    scope_hash_b64u: Text
    hash_algorithm: Literal["SHA-256"]
    timestamp: Instant
    approver_method: Literal["ui_click", "cli_confirm", "api_call", "policy_auto", "timeout"] | UnsetType = UNSET
    scope_summary: Annotated[str, Meta(max_length=1024)] | UnsetType = UNSET
    policy_hash_b64u: str | UnsetType = UNSET
    minted_capability_id: str | UnsetType = UNSET
    minted_capability_ttl_seconds: Number | UnsetType = UNSET
    plan_hash_b64u: str | UnsetType = UNSET
    evidence_required: list[str] | UnsetType = UNSET
    binding: StatementBinding = NO_STATEMENT_BINDING


def _refs(record: HumanApprovalReceipt, _payload_hash: str) -> dict[str, object]:
    return {
        "receipt": record.receipt_id,
        "run": record.binding.run_id,
        "scope": record.scope_hash_b64u,
        "token_scope": record.binding.token_scope_hash_b64u,
        "policy": record.policy_hash_b64u,
        "plan": record.plan_hash_b64u,
    }


def _claims(record: HumanApprovalReceipt, signer_did: str, payload_hash: str) -> list[Claim]:
    key = ("human_approval_receipt", signer_did, record.receipt_id)
    return [claim("payload.receipt_id", *key, value=(signer_did, payload_hash))]


def _check(record: HumanApprovalReceipt, _signer_did: str, _payload_text: bytes) -> None:
    bound = record.binding.policy_hash
    if not isinstance(bound, UnsetType) and bound != record.policy_hash_b64u:
        raise Refused(
            "RECEIPT_BINDING_MISMATCH",
            "the approval is bound to another policy than it names",
            param="payload.binding.policy_hash",
            expected=record.policy_hash_b64u or "absent",
            found=bound,
        )


HUMAN_APPROVAL_RECEIPT: Final = Kind(
    "human_approval_receipt",
    by_schema(HumanApprovalReceipt),
    (PERSON,),
    refs=_refs,
    claims=_claims,
    check=_check,
    signed_at=lambda record: record.timestamp,
)
