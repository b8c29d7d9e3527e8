"""Gateway, tool and side-effect receipts (Clawsig v1): one model call, one tool call, one effect."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from trustlog.errors import Refused
from trustlog.formats.jsontext import canonicalize
from trustlog.limits import MAX_LATENCY_MS, MAX_METADATA_BYTES, MAX_TOKENS
from trustlog.records.fields import UNSET, Instant, LooseHash, Number, Struct, Text, UnsetType
from trustlog.records.kind import Claim, Kind, by_schema, claim, no_check

Tokens = Annotated[int, Meta(ge=0, le=MAX_TOKENS)]
LatencyMs = Annotated[int, Meta(ge=0, le=MAX_LATENCY_MS)]
Phase = Literal["setup", "planning", "reasoning", "execution", "observation", "reflection", "teardown"]
Sha256 = Literal["SHA-256"]


class ReceiptBinding(Struct, frozen=True, kw_only=True):
    """What ties a receipt to a run, an event, a job and a policy (Clawsig receipt_binding v1)."""

    run_id: Text | UnsetType = UNSET
    event_hash_b64u: LooseHash | UnsetType = UNSET
    nonce: Text | UnsetType = UNSET
    policy_hash: Text | UnsetType = UNSET
    token_scope_hash_b64u: LooseHash | UnsetType = UNSET
    span_id: Text | UnsetType = UNSET
    spanId: Text | UnsetType = UNSET  # noqa: N815 - Clawsig's older spelling
    parent_span_id: Text | UnsetType = UNSET
    parentSpanId: Text | UnsetType = UNSET  # noqa: N815
    tool_span_id: Text | UnsetType = UNSET
    toolSpanId: Text | UnsetType = UNSET  # noqa: N815
    phase: Phase | UnsetType = UNSET
    attribution_confidence: float | UnsetType = UNSET
    attributionConfidence: float | UnsetType = UNSET  # noqa: N815


class StatementBinding(Struct, frozen=True, kw_only=True):
    """The same for tool and side-effect receipts and approvals, whose published schemas do not say what a text may be.

    They do not list the spans, phase and confidence at all; Clawsig's SDK writes them as in a gateway receipt's binding.
    """

    run_id: str | UnsetType = UNSET
    event_hash_b64u: str | UnsetType = UNSET
    nonce: str | UnsetType = UNSET
    policy_hash: str | UnsetType = UNSET
    token_scope_hash_b64u: str | UnsetType = UNSET
    span_id: str | UnsetType = UNSET
    spanId: str | UnsetType = UNSET  # noqa: N815 - Clawsig's older spelling
    parent_span_id: str | UnsetType = UNSET
    parentSpanId: str | UnsetType = UNSET  # noqa: N815
    tool_span_id: str | UnsetType = UNSET
    toolSpanId: str | UnsetType = UNSET  # noqa: N815
    phase: str | UnsetType = UNSET
    attribution_confidence: float | UnsetType = UNSET
    attributionConfidence: float | UnsetType = UNSET  # noqa: N815
    capability_id: str | UnsetType = UNSET


NO_BINDING: Final = ReceiptBinding()
NO_STATEMENT_BINDING: Final = StatementBinding()


class GatewayReceipt(Struct, frozen=True, kw_only=True):
    """One model call, as the gateway that carried it signed it."""

    receipt_version: Literal["1"]
    receipt_id: Text
    gateway_id: Text
    provider: Text
    model: Text
    request_hash_b64u: LooseHash
    response_hash_b64u: LooseHash
    tokens_input: Tokens
    tokens_output: Tokens
    latency_ms: LatencyMs
    timestamp: Instant
    binding: ReceiptBinding = NO_BINDING
    metadata: dict[str, Any] | UnsetType = UNSET


class ToolReceipt(Struct, frozen=True, kw_only=True):
    """One tool call, hashes only."""

    receipt_version: Literal["1"]
    receipt_id: Text
    tool_name: Text
    args_hash_b64u: Text
    result_hash_b64u: Text
    hash_algorithm: Sha256
    agent_did: Text
    timestamp: Instant
    latency_ms: Number
    tool_version: str | UnsetType = UNSET
    result_status: Literal["success", "error", "timeout"] | UnsetType = UNSET
    binding: StatementBinding = NO_STATEMENT_BINDING


class SideEffectReceipt(Struct, frozen=True, kw_only=True):
    """One effect outside: network, file system or another system's API; hashes only."""

    receipt_version: Literal["1"]
    receipt_id: Text
    effect_class: Literal["network_egress", "filesystem_write", "external_api_write"]
    target_hash_b64u: Text
    request_hash_b64u: Text
    response_hash_b64u: Text
    hash_algorithm: Sha256
    agent_did: Text
    timestamp: Instant
    latency_ms: Number
    vendor_id: str | UnsetType = UNSET
    response_status: Literal["success", "error", "timeout", "denied"] | UnsetType = UNSET
    bytes_written: Number | UnsetType = UNSET
    binding: StatementBinding = NO_STATEMENT_BINDING


Receipt = GatewayReceipt | ToolReceipt | SideEffectReceipt


def _refs(record: Receipt, _payload_hash: str) -> dict[str, object]:
    return {
        "receipt": record.receipt_id,
        "run": record.binding.run_id,
        "token_scope": record.binding.token_scope_hash_b64u,
        "policy": record.binding.policy_hash,
    }


def _kind(name: str, schema: type[Receipt], signers: tuple[str, ...]) -> Kind:
    def claims(record: Receipt, signer_did: str, payload_hash: str) -> list[Claim]:
        return [claim("payload.receipt_id", name, signer_did, record.receipt_id, value=(signer_did, payload_hash))]

    check = _check_metadata if schema is GatewayReceipt else no_check
    return Kind(
        name,
        by_schema(schema),
        signers,
        erasable=True,
        refs=_refs,
        claims=claims,
        check=check,
        signed_at=lambda record: record.timestamp,
    )


def _check_metadata(record: GatewayReceipt, _signer_did: str, payload_text: bytes) -> None:
    # The payload's text is its JSON.stringify or its RFC 8785 form, and so is the part of it that the metadata are. The two forms
    # of a value differ in the order of members only, hence not in length: metadata are too long only in a text that is.
    if len(payload_text) <= MAX_METADATA_BYTES:
        return
    size = 0 if isinstance(record.metadata, UnsetType) else len(canonicalize(record.metadata))
    if size > MAX_METADATA_BYTES:
        expected = f"at most {MAX_METADATA_BYTES} bytes of RFC 8785"
        detail = "the receipt's metadata are too large"
        raise Refused("SCHEMA_VALIDATION_FAILED", detail, param="payload.metadata", expected=expected, found=f"{size} bytes")


GATEWAY_RECEIPT: Final = _kind("gateway_receipt", GatewayReceipt, ("gateways",))
TOOL_RECEIPT: Final = _kind("tool_receipt", ToolReceipt, ("agents", "gateways"))
SIDE_EFFECT_RECEIPT: Final = _kind("side_effect_receipt", SideEffectReceipt, ("agents", "gateways"))
