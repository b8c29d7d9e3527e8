"""The registry of kinds: how each payload is read, what its refs are, and which conflict keys it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from verifier import schema as s
from verifier.encodings import hash_b64u
from verifier.entry import ref_value
from verifier.errors import Refused
from verifier.limits import MAX_PAYLOAD_BYTES, MAX_SMALL_PAYLOAD_BYTES
from verifier.payloadtext import check_payload_text
from verifier.records.approval import Approval, check_approval
from verifier.records.bundle import OpenedBundle, ProofBundle, check_bundle
from verifier.records.closure import Closure
from verifier.records.decision import Decision, check_decision
from verifier.records.execution import Execution, Resolution, check_execution
from verifier.records.own import OwnRecord
from verifier.records.policy import PublishedPolicy, read_policy
from verifier.records.receipts import GatewayReceipt, SideEffectReceipt, ToolReceipt, read_gateway_receipt
from verifier.records.restrictions import Revocation, StepUp, Tombstone, Violation, check_revocation
from verifier.records.roster import Roster, check_roster
from verifier.records.simulation import Simulation
from verifier.records.token import TokenIssued, check_token
from verifier.trust import Role

Record = (
    GatewayReceipt
    | ToolReceipt
    | SideEffectReceipt
    | Approval
    | OpenedBundle
    | PublishedPolicy
    | Roster
    | TokenIssued
    | Simulation
    | StepUp
    | Decision
    | Execution
    | Resolution
    | Closure
    | Revocation
    | Violation
    | Tombstone
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its schema, a check of what the schema cannot say, the roles that may sign it.

    No roles means that the ledger decides from history who may sign (people, revocations).
    """

    name: str
    schema: type[Any] | None
    roles: tuple[Role, ...] = ()
    check: Callable[[Any], None] | None = None
    erasable: bool = False


_RECEIPT_ROLES = (Role.AGENT, Role.GATEWAY)
_KINDS = (
    Kind("gateway_receipt", GatewayReceipt, (Role.GATEWAY,), erasable=True),
    Kind("tool_receipt", ToolReceipt, _RECEIPT_ROLES, erasable=True),
    Kind("side_effect_receipt", SideEffectReceipt, _RECEIPT_ROLES, erasable=True),
    Kind("work_policy_contract", None, (Role.POLICY_ISSUER,)),
    Kind("roster", Roster, (Role.ROSTER_AUTHORITY,), check_roster),
    Kind("token_issued", TokenIssued, (Role.TOKEN_ISSUER,), check_token),
    Kind("simulation", Simulation, (Role.RUNNER,)),
    Kind("human_approval_receipt", Approval, (), check_approval),
    Kind("step_up", StepUp, (Role.GATE,)),
    Kind("gate_decision", Decision, (Role.GATE,), check_decision),
    Kind("execution", Execution, (Role.RUNNER,), check_execution),
    Kind("resolution", Resolution),
    Kind("proof_bundle", None, (Role.AGENT,), erasable=True),
    Kind("closure", Closure, (Role.GATE,)),
    Kind("revocation", Revocation, (), check_revocation),
    Kind("violation", Violation, (Role.GATE,)),
    Kind("tombstone", Tombstone, (Role.CUSTODIAN,)),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _KINDS}


def read_record(kind_name: str, payload: bytes, *, signer_did: str, origin: str) -> Record:
    """The record in an exact payload text: accepted form, closed schema, the kind's own rules.

    Raises Refused BODY_TOO_LARGE, a JSON code, PAYLOAD_TEXT_NOT_ACCEPTED, SCHEMA_VALIDATION_FAILED,
    ORIGIN_MISMATCH, or a code of the kind.
    """
    bound = MAX_PAYLOAD_BYTES if kind_name == "proof_bundle" else MAX_SMALL_PAYLOAD_BYTES
    if len(payload) > bound:
        raise Refused("BODY_TOO_LARGE", "payload", expected=f"at most {bound} bytes")
    if kind_name == "gateway_receipt":
        return read_gateway_receipt(payload)  # whose closed schema has no header either
    value = check_payload_text(payload)
    _check_header(KINDS[kind_name], value, origin)
    if kind_name == "work_policy_contract":
        return read_policy(value, payload)
    if kind_name == "proof_bundle":
        return check_bundle(s.decode(ProofBundle, value, "payload"), signer_did)
    kind = KINDS[kind_name]
    assert kind.schema is not None, "only policies and bundles are read otherwise"
    record: Record = s.decode(kind.schema, value, "payload")
    if kind.check is not None:
        kind.check(record)
    return record


def _check_header(kind: Kind, value: Mapping[str, object], origin: str) -> None:
    """Our own payloads say what they are and of which log, and no other payload may."""
    label, own = value.get("record"), kind.schema is not None and issubclass(kind.schema, OwnRecord)
    if label != (f"trustlog/{kind.name}/v1" if own else None):
        found = label[:64] if isinstance(label, str) else None
        raise Refused("SCHEMA_VALIDATION_FAILED", "payload.record", expected=kind.name if own else "absent", found=found)
    if own and value.get("origin") != origin:
        raise Refused("ORIGIN_MISMATCH", "payload.origin", expected=origin, found=str(value.get("origin"))[:96])


def compute_refs(record: Record, payload_hash_b64u: str) -> dict[str, str]:
    """The refs of an entry, recomputed from its payload."""
    if isinstance(record, OpenedBundle):
        raw = record.record.refs_with(payload_hash_b64u)
    elif isinstance(record, PublishedPolicy):
        raw = record.refs_with(payload_hash_b64u)
    else:
        raw = record.refs()
    return {name: ref_value(value) for name, value in raw.items()}


def payload_hash(payload: bytes) -> str:
    """`payload_hash_b64u` of an exact payload text."""
    return hash_b64u(payload)
