"""The registry of record kinds, and reading a payload as one of them."""

from __future__ import annotations

from typing import Any, Final

from trustlog.errors import Refused
from trustlog.formats.jsontext import describe
from trustlog.records.approval import HUMAN_APPROVAL_RECEIPT
from trustlog.records.closure import CLOSURE
from trustlog.records.execution import EXECUTION
from trustlog.records.gate_decision import GATE_DECISION
from trustlog.records.kind import Kind
from trustlog.records.proof_bundle import PROOF_BUNDLE
from trustlog.records.receipts import GATEWAY_RECEIPT, SIDE_EFFECT_RECEIPT, TOOL_RECEIPT
from trustlog.records.resolution import RESOLUTION
from trustlog.records.revocation import REVOCATION
from trustlog.records.roster import ROSTER
from trustlog.records.simulation import SIMULATION
from trustlog.records.step_up import STEP_UP
from trustlog.records.token_issued import TOKEN_ISSUED
from trustlog.records.tombstone import TOMBSTONE
from trustlog.records.violation import VIOLATION
from trustlog.records.work_policy_contract import WORK_POLICY_CONTRACT

KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        GATEWAY_RECEIPT,
        TOOL_RECEIPT,
        SIDE_EFFECT_RECEIPT,
        WORK_POLICY_CONTRACT,
        ROSTER,
        TOKEN_ISSUED,
        SIMULATION,
        HUMAN_APPROVAL_RECEIPT,
        STEP_UP,
        GATE_DECISION,
        EXECUTION,
        RESOLUTION,
        PROOF_BUNDLE,
        CLOSURE,
        REVOCATION,
        VIOLATION,
        TOMBSTONE,
    )
}

BULK_KINDS: Final = frozenset({"gateway_receipt", "tool_receipt", "side_effect_receipt", "proof_bundle"})
"""Kinds of which a log has many and which restrict nobody: their payloads are read only where a job is looked at."""


def get_kind(name: str) -> Kind:
    """The kind of an envelope type (``UNKNOWN_ENVELOPE_TYPE``)."""
    kind = KINDS.get(name)
    if kind is None:
        expected = ", ".join(sorted(KINDS))
        raise Refused(
            "UNKNOWN_ENVELOPE_TYPE", "this log takes no such kind", param="envelope_type", expected=expected, found=name
        )
    return kind


def read_record(kind: Kind, value: Any, text: bytes, *, origin: str, signer_did: str) -> Any:
    """A payload as its kind's record, with every rule that needs neither history nor clock.

    ``ORIGIN_MISMATCH`` for a record of another log, ``SCHEMA_VALIDATION_FAILED`` and the kind's own codes otherwise.
    """
    _check_header(kind, value, origin)
    record = kind.read(value, text)
    kind.check(record, signer_did, text)
    return record


def _check_header(kind: Kind, value: Any, origin: str) -> None:
    """Our own payloads say what they are, and no other payload may."""
    if not isinstance(value, dict):
        detail = "a payload is an object"
        raise Refused("SCHEMA_VALIDATION_FAILED", detail, param="payload", expected="object", found=describe(value))
    label = value.get("record")
    expected = f"trustlog/{kind.name}/v1" if kind.own else None
    if label != expected:
        raise Refused(
            "SCHEMA_VALIDATION_FAILED",
            "the payload is not what the envelope type says",
            param="payload.record",
            expected=expected or "absent",
            found=label if isinstance(label, str) else "absent",
        )
    if kind.own and value.get("origin") != origin:
        found = value["origin"] if isinstance(value.get("origin"), str) else describe(value.get("origin"))
        detail = "the record belongs to another log"
        raise Refused("ORIGIN_MISMATCH", detail, param="payload.origin", expected=origin, found=found)
