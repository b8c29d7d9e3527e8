"""Gateway, tool and side-effect receipts (Clawsig v1): one model call, tool call or effect."""

# ruff: noqa: RUF009 - s.member and s.optional are field specifiers, evaluated once on purpose

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from verifier import schema as s
from verifier.errors import Refused
from verifier.limits import MAX_METADATA_BYTES
from verifier.payloadtext import check_payload_text
from verifier.records.approval import ApprovalBinding

_PHASES = ("setup", "planning", "reasoning", "execution", "observation", "reflection", "teardown")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptBinding:
    """What ties a gateway receipt to run, event, token scope and policy."""

    run_id: str | None = s.optional(s.text)
    event_hash_b64u: str | None = s.optional(s.loose_hash)
    nonce: str | None = s.optional(s.text)
    policy_hash: str | None = s.optional(s.text)
    token_scope_hash_b64u: str | None = s.optional(s.loose_hash)
    span_id: str | None = s.optional(s.text)
    spanId: str | None = s.optional(s.text)  # noqa: N815 - the published member's name
    parent_span_id: str | None = s.optional(s.text)
    parentSpanId: str | None = s.optional(s.text)  # noqa: N815
    tool_span_id: str | None = s.optional(s.text)
    toolSpanId: str | None = s.optional(s.text)  # noqa: N815
    phase: str | None = s.optional(s.one_of(*_PHASES))
    attribution_confidence: float | None = s.optional(s.number)
    attributionConfidence: float | None = s.optional(s.number)  # noqa: N815


AnyBinding = ReceiptBinding | ApprovalBinding


def receipt_refs(receipt_id: str, binding: AnyBinding | None) -> dict[str, str]:
    """`receipt run token_scope policy`, those that are present."""
    found = {
        "receipt": receipt_id,
        "run": binding.run_id if binding else None,
        "token_scope": binding.token_scope_hash_b64u if binding else None,
        "policy": binding.policy_hash if binding else None,
    }
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayReceipt:
    """One model call. Tokens and latency (ms) are integers."""

    receipt_version: str = s.member(s.one_of("1"))
    receipt_id: str = s.member(s.text)
    gateway_id: str = s.member(s.text)
    provider: str = s.member(s.text)
    model: str = s.member(s.text)
    request_hash_b64u: str = s.member(s.loose_hash)
    response_hash_b64u: str = s.member(s.loose_hash)
    tokens_input: int = s.member(s.integer(0, 10_000_000))
    tokens_output: int = s.member(s.integer(0, 10_000_000))
    latency_ms: int = s.member(s.integer(0, 3_600_000))
    timestamp: int = s.member(s.any_time)
    binding: ReceiptBinding | None = s.optional(s.object_of(ReceiptBinding))
    metadata: dict[str, object] | None = s.optional(s.free_object())  # its bound: `read_gateway_receipt`

    def refs(self) -> dict[str, str]:
        """`receipt run token_scope policy`."""
        return receipt_refs(self.receipt_id, self.binding)


_bounded_metadata = s.free_object(MAX_METADATA_BYTES)


@lru_cache(maxsize=4096)  # a receipt stands in the log and again in its bundle
def read_gateway_receipt(text: bytes) -> GatewayReceipt:
    """The receipt in an exact payload text. Raises Refused as `check_payload_text`, and SCHEMA_VALIDATION_FAILED."""
    receipt = s.decode(GatewayReceipt, check_payload_text(text), "payload")
    # Both accepted forms spell a member as RFC 8785 does: in a text that is not above the bound, none is.
    if receipt.metadata is not None and len(text) > MAX_METADATA_BYTES:
        _bounded_metadata(receipt.metadata, "payload.metadata")
    return receipt


def is_gateway_receipt(text: bytes) -> bool:
    """Whether `read_gateway_receipt` reads this text."""
    try:
        read_gateway_receipt(text)
    except Refused:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolReceipt:
    """One tool call."""

    receipt_version: str = s.member(s.one_of("1"))
    receipt_id: str = s.member(s.text)
    tool_name: str = s.member(s.text)
    tool_version: str | None = s.optional(s.string)
    args_hash_b64u: str = s.member(s.text)
    result_hash_b64u: str = s.member(s.text)
    result_status: str | None = s.optional(s.one_of("success", "error", "timeout"))
    hash_algorithm: str = s.member(s.one_of("SHA-256"))
    agent_did: str = s.member(s.text)
    timestamp: int = s.member(s.any_time)
    latency_ms: float = s.member(s.amount)
    binding: ApprovalBinding | None = s.optional(s.object_of(ApprovalBinding))

    def refs(self) -> dict[str, str]:
        """`receipt run token_scope policy`."""
        return receipt_refs(self.receipt_id, self.binding)


@dataclass(frozen=True, slots=True, kw_only=True)
class SideEffectReceipt:
    """One effect outside."""

    receipt_version: str = s.member(s.one_of("1"))
    receipt_id: str = s.member(s.text)
    effect_class: str = s.member(s.one_of("network_egress", "filesystem_write", "external_api_write"))
    target_hash_b64u: str = s.member(s.text)
    vendor_id: str | None = s.optional(s.string)
    request_hash_b64u: str = s.member(s.text)
    response_hash_b64u: str = s.member(s.text)
    response_status: str | None = s.optional(s.one_of("success", "error", "timeout", "denied"))
    hash_algorithm: str = s.member(s.one_of("SHA-256"))
    agent_did: str = s.member(s.text)
    timestamp: int = s.member(s.any_time)
    latency_ms: float = s.member(s.amount)
    bytes_written: float | None = s.optional(s.amount)
    binding: ApprovalBinding | None = s.optional(s.object_of(ApprovalBinding))

    def refs(self) -> dict[str, str]:
        """`receipt run token_scope policy`."""
        return receipt_refs(self.receipt_id, self.binding)
