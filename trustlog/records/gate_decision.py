"""A gate's decision: allow or deny of one scope, why, on what evidence, from which view of the log."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from trustlog.errors import Refused
from trustlog.formats.timestamp import NS
from trustlog.limits import DECISION_TTL_S
from trustlog.records.fields import (
    UNSET,
    Code,
    Did,
    Hash,
    Id,
    Index,
    Line,
    Note,
    Struct,
    Subject,
    Text,
    Ticket,
    TokenHash,
    UnsetType,
    UtcInstant,
    convert_record,
)
from trustlog.records.kind import Claim, Kind, OwnRecord, by_schema, claim
from trustlog.records.scope import BUNDLE_MEMBER, SCOPE_MEMBERS, compute_scope_hash, is_complete_scope

ScopeValue = Annotated[str, Meta(min_length=1, max_length=512)]


class AllowedScope(Struct, frozen=True, kw_only=True):
    """The scope of an allow: every member exact, so that its refs are those of the records that it names."""

    scope_version: Literal["1"]
    origin: Text
    job_id: Id
    agent_did: Did
    requester: Subject
    ticket: Ticket
    action: Text
    change_type: Text
    environment: Text
    policy_hash_b64u: Hash
    plan_hash_b64u: Hash
    simulation_b64u: Hash
    round: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,8}\Z")]
    bundle_b64u: Hash | UnsetType = UNSET


class DecisionReason(Struct, frozen=True, kw_only=True):
    """One registered code, and what was expected and found."""

    code: Code
    detail: Note


class LoggedAt(Struct, frozen=True, kw_only=True):
    """An entry, by index and leaf hash."""

    index: Index
    leaf_hash_b64u: Hash


class View(Struct, frozen=True, kw_only=True):
    """The tree that the gate had read: its size and root."""

    size: Index
    root_b64u: Hash


class Requested(Struct, frozen=True, kw_only=True):
    """The caller's own words."""

    action: Line
    ticket: Line


class GateDecision(OwnRecord, frozen=True, kw_only=True):
    """What an allow must have, a deny may lack: ``token_hash token_scope_hash_b64u run_id roster_b64u``, and scope members."""

    record: Literal["trustlog/gate_decision/v1"]
    decision: Literal["allow", "deny"]
    reasons: Annotated[list[DecisionReason], Meta(max_length=64)]
    scope: dict[str, ScopeValue]
    approvals: Annotated[list[Hash], Meta(max_length=64)]
    evidence: Annotated[list[LoggedAt], Meta(max_length=10_000)]
    view: View
    requested: Requested
    trust_policy_b64u: Hash
    audience: Line
    nonce: Line
    decided_at: UtcInstant
    expires_at: UtcInstant
    token_hash: TokenHash | UnsetType = UNSET
    token_scope_hash_b64u: Hash | UnsetType = UNSET
    run_id: Id | UnsetType = UNSET
    roster_b64u: Hash | UnsetType = UNSET
    closing_reason: Note | UnsetType = UNSET
    withdraws_b64u: Hash | UnsetType = UNSET
    count: Annotated[int, Meta(ge=1, le=2**53 - 1)] | UnsetType = UNSET


def _refs(record: GateDecision, _payload_hash: str) -> dict[str, object]:
    scope = record.scope
    return {
        "job": scope.get("job_id"),
        "ticket": scope.get("ticket"),
        "policy": scope.get("policy_hash_b64u"),
        "plan": scope.get("plan_hash_b64u"),
        "bundle": scope.get(BUNDLE_MEMBER),
        "scope": compute_scope_hash(scope) if is_complete_scope(scope) else None,
        "run": record.run_id,
        "token": record.token_hash,
        "token_scope": record.token_scope_hash_b64u,
    }


def _claims(record: GateDecision, signer_did: str, payload_hash: str) -> list[Claim]:
    if record.decision != "allow":
        return []
    return [claim("payload.scope", "allow", compute_scope_hash(record.scope), value=(signer_did, payload_hash))]


def _check(record: GateDecision, _signer_did: str, _payload_text: bytes) -> None:
    unknown = set(record.scope) - set(SCOPE_MEMBERS) - {BUNDLE_MEMBER}
    if unknown:
        _refuse("scope", "only scope members", f"also {sorted(unknown)}")
    if not record.decided_at.ns <= record.expires_at.ns <= record.decided_at.ns + DECISION_TTL_S * NS:
        _refuse("expires_at", f"at most {DECISION_TTL_S} s after decided_at", record.expires_at.text)
    if record.decision == "allow":
        _check_allow(record)
    elif not record.reasons:
        _refuse("reasons", "at least one reason for a deny", "none")


def _check_allow(record: GateDecision) -> None:
    if not is_complete_scope(record.scope):
        _refuse("scope", "every scope member in an allow", f"{sorted(set(SCOPE_MEMBERS) - set(record.scope))} absent")
    convert_record(record.scope, AllowedScope, code="DECISION_INVALID", param="payload.scope")
    if record.scope["origin"] != record.origin:
        _refuse("scope.origin", record.origin, record.scope["origin"])
    for name in ("token_hash", "token_scope_hash_b64u", "run_id", "roster_b64u"):
        if isinstance(getattr(record, name), UnsetType):
            _refuse(name, "present in an allow", "absent")
    for name in ("withdraws_b64u", "count"):
        if not isinstance(getattr(record, name), UnsetType):
            _refuse(name, "absent in an allow", "present")
    if (record.requested.action, record.requested.ticket) != (record.scope["action"], record.scope["ticket"]):
        _refuse("requested", "the scope's action and ticket in an allow", record.requested.action)
    if isinstance(record.closing_reason, UnsetType) == (BUNDLE_MEMBER in record.scope):
        _refuse("closing_reason", "present exactly when the scope names a bundle", "otherwise")


def _refuse(name: str, expected: str, found: str) -> None:
    detail = f"{name} breaks the rules of a decision"
    raise Refused("DECISION_INVALID", detail, param=f"payload.{name}", expected=expected, found=found)


GATE_DECISION: Final = Kind(
    "gate_decision", by_schema(GateDecision), ("gates",), own=True, refs=_refs, claims=_claims, check=_check
)
