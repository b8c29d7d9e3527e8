"""The proof bundle of a run (Clawsig proof_bundle v1): its events, its receipts, and what the agent says besides.

Everything in a bundle that can be checked by itself is checked here: the event chain, the hash and signature of each receipt,
that each receipt is bound to an event of this run, that all is of one agent. Whether the receipts are the right ones (of this
job, under this policy, all of them) only the judge of a change can tell.

The published schema also lists kinds of evidence that no role of a trust policy signs and nothing here could check. A bundle
with one of these is refused, so that nobody takes for checked what was only carried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u
from trustlog.formats.didkey import parse_did_key
from trustlog.formats.ed25519 import verify_ed25519
from trustlog.formats.envelope import Envelope, check_signature, envelope_from_value
from trustlog.formats.jsontext import canonicalize, describe
from trustlog.limits import MAX_BUNDLE_EVENTS, MAX_BUNDLE_RECEIPTS, MAX_METADATA_BYTES
from trustlog.records.bundled import (
    BundledApproval,
    BundledDelegation,
    BundledSideEffect,
    RateLimitClaim,
    ResourceManifest,
    check_rate_limit_claim,
)
from trustlog.records.disclosure import ToolReceiptV2, check_disclosures
from trustlog.records.event_chain import Event, check_event_chain
from trustlog.records.fields import UNSET, Did, Instant, LooseHash, Struct, Text, UnsetType, convert_record
from trustlog.records.kind import Claim, Kind, claim
from trustlog.records.receipts import GATEWAY_RECEIPT, GatewayReceipt, ReceiptBinding, StatementBinding, ToolReceipt

UNCHECKED: Final = (
    "vir_receipts",
    "web_receipts",
    "coverage_attestations",
    "binary_semantic_evidence_attestations",
    "attestations",
)
EVIDENCE: Final = (
    "urm",
    "event_chain",
    "receipts",
    "tool_receipts",
    "side_effect_receipts",
    "human_approval_receipts",
    "delegation_receipts",
)
MAX_CO_SIGNATURES: Final = 16
MAX_RATE_LIMIT_CLAIMS: Final = 256

AtMost = Meta(max_length=MAX_BUNDLE_RECEIPTS)


class BundleContent(Struct, frozen=True, kw_only=True):
    """The payload's members. ``receipts`` and ``tool_receipts`` are read one by one, since each is signed by itself."""

    bundle_version: Literal["1"]
    bundle_id: Text
    agent_did: Did
    eip8004_agent_id: Annotated[str, Meta(pattern=r"^[0-9]{1,78}\Z")] | UnsetType = UNSET
    eip8004_registry: Annotated[str, Meta(pattern=r"^eip155:[0-9]{1,32}:0x[0-9a-fA-F]{40}\Z")] | UnsetType = UNSET
    urm: ResourceManifest | UnsetType = UNSET
    event_chain: Annotated[tuple[Event, ...], Meta(min_length=1, max_length=MAX_BUNDLE_EVENTS)] | UnsetType = UNSET
    receipts: Annotated[tuple[Any, ...], Meta(min_length=1, max_length=MAX_BUNDLE_RECEIPTS)] | UnsetType = UNSET
    tool_receipts: Annotated[tuple[Any, ...], AtMost] = ()
    side_effect_receipts: Annotated[tuple[BundledSideEffect, ...], AtMost] = ()
    human_approval_receipts: Annotated[tuple[BundledApproval, ...], AtMost] = ()
    delegation_receipts: Annotated[tuple[BundledDelegation, ...], AtMost] = ()
    rate_limit_claims: Annotated[tuple[RateLimitClaim, ...], Meta(max_length=MAX_RATE_LIMIT_CLAIMS)] = ()
    metadata: dict[str, Any] | UnsetType = UNSET


class CoSignature(Struct, frozen=True, kw_only=True):
    """A further signature over a tool receipt's payload hash. It is checked, and gives its signer no role here."""

    signature_b64u: LooseHash
    algorithm: Literal["Ed25519"]
    signer_did: Did
    issued_at: Instant
    role: Literal["proxy", "approver", "auditor", "supervisor"]


@dataclass(frozen=True, slots=True)
class BundledReceipt:
    """A receipt in a bundle: its record, and its envelope where it is signed by itself, hash and signature checked."""

    kind: str
    record: GatewayReceipt | ToolReceipt | ToolReceiptV2
    envelope: Envelope | None


@dataclass(frozen=True, slots=True)
class ProofBundle:
    """A bundle all of whose parts were checked by themselves. ``metadata["change"]`` ties it to a change.

    ``receipts`` are the gateway receipts, every one signed and bound to an event of ``event_chain``.
    """

    content: BundleContent
    event_chain: tuple[Event, ...]
    receipts: tuple[BundledReceipt, ...]
    tool_receipts: tuple[BundledReceipt, ...]
    metadata: Mapping[str, Any]

    @property
    def bundle_id(self) -> str:
        """The agent's id of the bundle, unique among the agent's bundles."""
        return self.content.bundle_id

    @property
    def agent_did(self) -> str:
        """The agent, who signs the bundle."""
        return self.content.agent_did

    @property
    def run_id(self) -> str | None:
        """The run of the event chain; None without one."""
        return self.event_chain[0].run_id if self.event_chain else None

    def inner_signers(self) -> list[tuple[str, str]]:
        """Kind and signer of every signed envelope inside: their roles are judged at the bundle's index."""
        inner = (*self.receipts, *self.tool_receipts)
        return [(receipt.kind, receipt.envelope.signer_did) for receipt in inner if receipt.envelope is not None]

    def receipts_by_signer(self) -> list[tuple[str, str]]:
        """Signer and receipt id of every gateway receipt: what makes one the same as another."""
        return [(r.envelope.signer_did, r.record.receipt_id) for r in self.receipts if r.envelope is not None]


# Reading.


def _read(value: Any, _payload_text: bytes) -> ProofBundle:
    members = value if isinstance(value, dict) else {}
    for name in UNCHECKED:
        if name in members:
            detail = f"{name} cannot be checked here, and is not taken unchecked"
            raise Refused("SCHEMA_VALIDATION_FAILED", detail, param=f"payload.{name}", expected="absent", found=name)
    content = convert_record(value, BundleContent)
    if not any(name in members for name in EVIDENCE):
        detail = "the bundle holds no evidence"
        raise Refused("SCHEMA_VALIDATION_FAILED", detail, param="payload", expected=f"one of {', '.join(EVIDENCE)}")
    metadata = {} if isinstance(content.metadata, UnsetType) else content.metadata
    _check_metadata(metadata)
    events = () if isinstance(content.event_chain, UnsetType) else content.event_chain
    check_event_chain(events, "payload.event_chain")
    receipts = () if isinstance(content.receipts, UnsetType) else content.receipts
    bundle = ProofBundle(
        content=content,
        event_chain=events,
        receipts=tuple(_read_gateway_receipt(r, f"payload.receipts[{i}]") for i, r in enumerate(receipts)),
        tool_receipts=tuple(
            _read_tool_receipt(r, f"payload.tool_receipts[{i}]") for i, r in enumerate(content.tool_receipts)
        ),
        metadata=metadata,
    )
    _check_statements(bundle)
    return bundle


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    size = len(canonicalize(metadata))
    if size > MAX_METADATA_BYTES:
        expected = f"at most {MAX_METADATA_BYTES} bytes of RFC 8785"
        detail = "the bundle's metadata are too large"
        raise Refused("SCHEMA_VALIDATION_FAILED", detail, param="payload.metadata", expected=expected, found=f"{size} bytes")


def _read_gateway_receipt(value: Any, where: str) -> BundledReceipt:
    with _at(where):
        envelope = envelope_from_value(value)
        _check_type(envelope, "gateway_receipt")
        record = GATEWAY_RECEIPT.read(envelope.payload, envelope.payload_text)
        GATEWAY_RECEIPT.check(record, envelope.signer_did, envelope.payload_text)
        check_signature(envelope.payload_hash_b64u, envelope.signature, envelope.signer_did)
    return BundledReceipt("gateway_receipt", record, envelope)


def _read_tool_receipt(value: Any, where: str) -> BundledReceipt:
    """A tool receipt of either version, in an envelope of the same version or raw."""
    if not isinstance(value, dict):
        raise Refused("SCHEMA_VALIDATION_FAILED", "not a receipt", param=where, expected="object", found=describe(value))
    if "envelope_version" not in value:
        return BundledReceipt("tool_receipt", _tool_record(value, value.get("receipt_version"), where), None)
    with _at(where):
        version = value["envelope_version"]
        co_signatures: Any = []
        if version == "2":  # the same rules as for version 1, and co-signatures
            co_signatures = value.get("co_signatures", [])
            value = {name: member for name, member in value.items() if name != "co_signatures"} | {"envelope_version": "1"}
        envelope = envelope_from_value(value)
        _check_type(envelope, "tool_receipt")
        record = _tool_record(envelope.payload, version, "payload")
        check_signature(envelope.payload_hash_b64u, envelope.signature, envelope.signer_did)
        _check_co_signatures(co_signatures, envelope)
    return BundledReceipt("tool_receipt", record, envelope)


def _tool_record(value: Any, version: Any, param: str) -> ToolReceipt | ToolReceiptV2:
    if version != "2":
        return convert_record(value, ToolReceipt, param=param)
    record = convert_record(value, ToolReceiptV2, param=param)
    check_disclosures(record, param)
    return record


def _check_type(envelope: Envelope, kind: str) -> None:
    if envelope.kind != kind:
        detail = "an envelope of another type stands here"
        raise Refused("SCHEMA_VALIDATION_FAILED", detail, param="envelope_type", expected=kind, found=envelope.kind)


def _check_co_signatures(values: Any, envelope: Envelope) -> None:
    """Every co-signature is over the payload hash, and good, or the receipt is not (``CO_SIGNATURE_INVALID``)."""
    if not isinstance(values, list) or len(values) > MAX_CO_SIGNATURES:
        expected = f"an array of at most {MAX_CO_SIGNATURES}"
        detail = "not a list of co-signatures"
        raise Refused("SCHEMA_VALIDATION_FAILED", detail, param="co_signatures", expected=expected, found=describe(values))
    message = envelope.payload_hash_b64u.encode("ascii")
    for i, value in enumerate(values):
        where = f"co_signatures[{i}]"
        co_signature = convert_record(value, CoSignature, param=where)
        signature = decode_b64u(co_signature.signature_b64u, 64, f"{where}.signature_b64u")
        if not verify_ed25519(parse_did_key(co_signature.signer_did), message, signature):
            expected = f"Ed25519 by {co_signature.signer_did} over the payload hash"
            detail = "a co-signature does not verify"
            raise Refused("CO_SIGNATURE_INVALID", detail, param=f"{where}.signature_b64u", expected=expected)


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Refusals of what stands within name the place in the bundle."""
    try:
        yield
    except Refused as refused:
        param = f"{where}.{refused.param}" if refused.param else where
        raise Refused(
            refused.code,
            refused.detail,
            param=param,
            expected=refused.expected,
            found=refused.found,
            hint=refused.hint,
        ) from None


# What the parts must have in common.


def _check_statements(bundle: ProofBundle) -> None:
    events = {event.event_hash_b64u for event in bundle.event_chain}
    for i, receipt in enumerate(bundle.receipts):
        param = f"payload.receipts[{i}].payload.binding"
        _check_binding(receipt.record.binding, bundle.run_id, events, param, required=True)
    _check_unique(bundle.receipts_by_signer(), "payload.receipts")
    for name, statements in _statements(bundle).items():
        _check_unique([statement.receipt_id for _, statement in statements], f"payload.{name}")
        for where, statement in statements:
            _check_agent(statement.agent_did, bundle.agent_did, where)
            _check_binding(statement.binding, bundle.run_id, events, f"{where}.binding", required=False)
    for i, rate_limit_claim in enumerate(bundle.content.rate_limit_claims):
        check_rate_limit_claim(rate_limit_claim, bundle.run_id, f"payload.rate_limit_claims[{i}]")


def _statements(bundle: ProofBundle) -> dict[str, list[tuple[str, Any]]]:
    """What the agent states, by member: each with its path."""
    found: dict[str, list[tuple[str, Any]]] = {
        "tool_receipts": [
            (f"payload.tool_receipts[{i}]{'.payload' if receipt.envelope else ''}", receipt.record)
            for i, receipt in enumerate(bundle.tool_receipts)
        ]
    }
    for name in ("side_effect_receipts", "human_approval_receipts", "delegation_receipts"):
        found[name] = [(f"payload.{name}[{i}]", item) for i, item in enumerate(getattr(bundle.content, name))]
    return found


def _check_binding(
    binding: ReceiptBinding | StatementBinding, run_id: str | None, events: set[str], param: str, *, required: bool
) -> None:
    """The run is the chain's and the event one of the chain's; a gateway receipt must name both."""
    found = None if isinstance(binding.run_id, UnsetType) else binding.run_id
    if (found is not None or required) and (found is None or found != run_id):
        _mismatch("the receipt is bound to another run", f"{param}.run_id", run_id or "no event chain", found)
    found = None if isinstance(binding.event_hash_b64u, UnsetType) else binding.event_hash_b64u
    if (found is not None or required) and found not in events:
        _mismatch("the receipt is bound to no event of the chain", f"{param}.event_hash_b64u", "an event's hash", found)


def _mismatch(detail: str, param: str, expected: str, found: str | None) -> None:
    raise Refused("RECEIPT_BINDING_MISMATCH", detail, param=param, expected=expected, found=found or "absent")


def _check_unique(ids: Sequence[object], param: str) -> None:
    twice = next((one for i, one in enumerate(ids) if one in ids[:i]), None) if len(set(ids)) != len(ids) else None
    if twice is not None:
        detail = "a receipt id stands twice"
        raise Refused("RECEIPT_VERIFICATION_FAILED", detail, param=param, expected="each receipt once", found=twice)


def _check_agent(found: str, agent_did: str, where: str) -> None:
    if found != agent_did:
        detail = "the bundle holds a statement of another agent"
        raise Refused("PROOF_BUNDLE_AGENT_MISMATCH", detail, param=f"{where}.agent_did", expected=agent_did, found=found)


# The kind.


def _check(record: ProofBundle, signer_did: str, _payload_text: bytes) -> None:
    if signer_did != record.agent_did:
        detail = "a bundle is signed by its agent"
        expected = record.agent_did
        raise Refused("PROOF_BUNDLE_AGENT_MISMATCH", detail, param="signer_did", expected=expected, found=signer_did)


def _refs(record: ProofBundle, payload_hash: str) -> dict[str, object]:
    change = record.metadata.get("change")
    run = change.get("run_id") if isinstance(change, dict) else None
    return {"bundle": payload_hash, "run": run if isinstance(run, str) else record.run_id}


def _claims(record: ProofBundle, signer_did: str, payload_hash: str) -> list[Claim]:
    return [claim("payload.bundle_id", "bundle", signer_did, record.bundle_id, value=(signer_did, payload_hash))]


PROOF_BUNDLE: Final = Kind(
    "proof_bundle",
    _read,
    ("agents",),
    erasable=True,
    refs=_refs,
    claims=_claims,
    check=_check,
    signed_at=lambda _record: None,
)
