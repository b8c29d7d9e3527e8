"""The receipts inside a proof bundle: opened, each with its signer, or raw, covered by the agent alone."""

# ruff: noqa: RUF009 - s.member and s.optional are field specifiers, evaluated once on purpose

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verifier import schema as s
from verifier.errors import Refused
from verifier.records.claims import Disclosure, check_disclosure
from verifier.records.envelope import SealedReceipt, open_envelope
from verifier.records.receipts import GatewayReceipt, ReceiptBinding, ToolReceipt, read_gateway_receipt
from verifier.records.stated import StatedApproval, StatedDelegation, StatedSideEffect


@dataclass(frozen=True, slots=True)
class BundledReceipts:
    """Gateway receipts as (envelope, receipt); signed tool receipts; how many are raw; every binding found."""

    gateway: tuple[tuple[SealedReceipt, GatewayReceipt], ...]
    signed_tools: tuple[SealedReceipt, ...]
    raw: int
    bindings: tuple[tuple[str, Mapping[str, object]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolReceiptV2:
    """A tool receipt with salted hashes and selective disclosure; only inside bundles."""

    receipt_version: str = s.member(s.one_of("2"))
    receipt_id: str = s.member(s.text)
    tool_name: str = s.member(s.text)
    tool_version: str | None = s.optional(s.string)
    args_hash_b64u: str = s.member(s.loose_hash)
    result_hash_b64u: str = s.member(s.loose_hash)
    result_status: str | None = s.optional(s.one_of("success", "error", "timeout"))
    hash_algorithm: str = s.member(s.one_of("SHA-256"))
    agent_did: str = s.member(s.text)
    timestamp: int = s.member(s.any_time)
    latency_ms: float = s.member(s.amount)
    binding: ReceiptBinding | None = s.optional(s.object_of(ReceiptBinding))
    args_salt_b64u: str = s.member(s.loose_hash)
    result_salt_b64u: str = s.member(s.loose_hash)
    args_disclosure: Disclosure | None = s.optional(s.object_of(Disclosure))
    result_disclosure: Disclosure | None = s.optional(s.object_of(Disclosure))


def read_receipts(
    *,
    gateway: Sequence[object],
    tool: Sequence[Mapping[str, object]],
    side_effect: Sequence[Mapping[str, object]],
    approvals: Sequence[Mapping[str, object]],
    delegations: Sequence[Mapping[str, object]],
    agent_did: str,
) -> BundledReceipts:
    """Open every receipt of a bundle; all but gateway receipts must name its agent; none may be there twice.

    Raises Refused as `open_envelope`, SCHEMA_VALIDATION_FAILED, PROOF_BUNDLE_AGENT_MISMATCH or
    RECEIPT_VERIFICATION_FAILED.
    """
    opened = []
    bindings: list[tuple[str, Mapping[str, object]]] = []
    for position, value in enumerate(gateway):
        where = f"receipts[{position}]"
        sealed = open_envelope(value, where, kind="gateway_receipt")
        opened.append((sealed, _read_gateway(sealed, where)))
        bindings.append((where, _binding(sealed.payload, where)))
    _check_once([f"{sealed.signer_did} {receipt.receipt_id}" for sealed, receipt in opened], "receipts")
    signed = []
    payloads = []
    for position, value in enumerate(tool):
        where = f"tool_receipts[{position}]"
        sealed_tool, payload = _read_tool(value, where)
        signed += [sealed_tool] if sealed_tool else []
        _check_agent(payload, "agent_did", agent_did, where)
        bindings.append((where, _binding(payload, where)))
        payloads.append(payload)
    _check_once([str(payload["receipt_id"]) for payload in payloads], "tool_receipts")
    stated = (
        *_read_stated(side_effect, "side_effect_receipts", StatedSideEffect),
        *_read_stated(approvals, "human_approval_receipts", StatedApproval),
        *_read_stated(delegations, "delegation_receipts", StatedDelegation),
    )
    for where, value in stated:
        named = "delegator_did" if where.startswith("delegation") else "agent_did"
        _check_agent(value, named, agent_did, where)
        bindings.append((where, _binding(value, where)))
    raw = len(tool) - len(signed) + len(stated)
    return BundledReceipts(tuple(opened), tuple(signed), raw, tuple(bindings))


def _read_gateway(sealed: SealedReceipt, where: str) -> GatewayReceipt:
    try:
        return read_gateway_receipt(sealed.text)
    except Refused as error:
        place = where + error.detail.removeprefix("payload")
        raise Refused(error.code, place, expected=error.expected, found=error.found) from None


def _read_stated(
    values: Sequence[Mapping[str, object]], name: str, schema: type[object]
) -> list[tuple[str, Mapping[str, object]]]:
    for position, value in enumerate(values):
        s.decode(schema, value, f"{name}[{position}]")
    _check_once([str(value["receipt_id"]) for value in values], name)
    return [(f"{name}[{position}]", value) for position, value in enumerate(values)]


def _check_once(names: Sequence[str], where: str) -> None:
    if len(set(names)) != len(names):
        raise Refused("RECEIPT_VERIFICATION_FAILED", where, expected="each receipt once")


def _read_tool(value: Mapping[str, object], where: str) -> tuple[SealedReceipt | None, Mapping[str, object]]:
    sealed = None
    payload = value
    if "envelope_version" in value:
        version = "2" if value.get("envelope_version") == "2" else "1"
        sealed = open_envelope(value, where, kind="tool_receipt", version=version)
        payload = sealed.payload
        wanted = version
    else:
        wanted = "2" if value.get("receipt_version") == "2" else "1"
    if wanted == "1":
        s.decode(ToolReceipt, payload, where)
        return sealed, payload
    receipt = s.decode(ToolReceiptV2, payload, where)
    check_disclosure(receipt.args_disclosure, receipt.args_hash_b64u, f"{where}.args_disclosure")
    check_disclosure(receipt.result_disclosure, receipt.result_hash_b64u, f"{where}.result_disclosure")
    return sealed, payload


def _check_agent(payload: Mapping[str, object], name: str, agent_did: str, where: str) -> None:
    if payload.get(name) != agent_did:
        raise Refused("PROOF_BUNDLE_AGENT_MISMATCH", f"{where}.{name}", expected=agent_did)


def _binding(payload: Mapping[str, object], where: str) -> Mapping[str, object]:
    binding = payload.get("binding", {})
    if not isinstance(binding, dict):
        s.refuse(f"{where}.binding", "an object", binding)
    return binding
