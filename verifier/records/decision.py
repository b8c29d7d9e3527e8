"""Gate decisions, the scope document that they decide on, and the view and evidence that they rest on."""

# ruff: noqa: RUF009 - s.member and s.optional are field specifiers, evaluated once on purpose

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from verifier import schema as s
from verifier.encodings import hash_b64u
from verifier.errors import Refused
from verifier.jsonforms import canonicalize
from verifier.limits import DECISION_LIFETIME_S
from verifier.records.own import OwnRecord
from verifier.records.restrictions import Seen
from verifier.times import NS

SCOPE_MEMBERS = (
    "scope_version",
    "origin",
    "job_id",
    "agent_did",
    "requester",
    "ticket",
    "action",
    "change_type",
    "environment",
    "policy_hash_b64u",
    "plan_hash_b64u",
    "simulation_b64u",
    "round",
)
_SCOPE_REFS = {
    "job": "job_id",
    "ticket": "ticket",
    "policy": "policy_hash_b64u",
    "plan": "plan_hash_b64u",
    "bundle": "bundle_b64u",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is approved and decided: one action on one plan of one job, under one policy, in one round."""

    scope_version: str = s.member(s.one_of("1"))
    origin: str = s.member(s.text)
    job_id: str = s.member(s.identifier)
    agent_did: str = s.member(s.did_key)
    requester: str = s.member(s.subject)
    ticket: str = s.member(s.ticket)
    action: str = s.member(s.text)
    change_type: str = s.member(s.text)
    environment: str = s.member(s.text)
    policy_hash_b64u: str = s.member(s.hash43)
    plan_hash_b64u: str = s.member(s.hash43)
    simulation_b64u: str = s.member(s.hash43)
    round: str = s.member(s.matching(r"[1-9][0-9]{0,8}", "a decimal from 1"))
    bundle_b64u: str | None = s.optional(s.hash43)


_scope_value = s.text_of(1, 512)


def scope_document(value: object, where: str) -> dict[str, str]:
    """The scope member of any decision: each member a string of 1 to 512 characters."""
    if not isinstance(value, dict):
        s.refuse(where, "an object", value)
    return {name: _scope_value(item, f"{where}.{name[:64]}") for name, item in value.items()}


def compute_scope_hash(document: Mapping[str, str]) -> str:
    """`scope_hash_b64u`: SHA-256 of the document's RFC 8785 form."""
    return hash_b64u(canonicalize(dict(document)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionReason:
    """One reason of a decision: a registered code and its detail."""

    code: str = s.member(s.code)
    detail: str = s.member(s.note)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The tree that a gate had read: size in entries and root hash."""

    size: int = s.member(s.integer())
    root_b64u: str = s.member(s.hash43)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """What the caller asked for; unproven words in a deny."""

    action: str = s.member(s.line)
    ticket: str = s.member(s.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(OwnRecord):
    """Allow or deny of one scope. In a deny, `scope` holds only what evidence established."""

    decision: str = s.member(s.one_of("allow", "deny"))
    reasons: tuple[DecisionReason, ...] = s.member(s.list_of(s.object_of(DecisionReason), maximum=64))
    scope: dict[str, str] = s.member(scope_document)
    token_hash: str | None = s.optional(s.hex64)
    token_scope_hash_b64u: str | None = s.optional(s.hash43)
    run_id: str | None = s.optional(s.identifier)
    roster_b64u: str | None = s.optional(s.hash43)
    approvals: tuple[str, ...] = s.member(s.list_of(s.hash43, maximum=64))
    evidence: tuple[Seen, ...] = s.member(s.list_of(s.object_of(Seen), maximum=10_000))
    view: View = s.member(s.object_of(View))
    closing_reason: str | None = s.optional(s.note)
    withdraws_b64u: str | None = s.optional(s.hash43)
    requested: Requested = s.member(s.object_of(Requested))
    count: int | None = s.optional(s.integer(1))
    trust_policy_b64u: str = s.member(s.hash43)
    audience: str = s.member(s.line)
    nonce: str = s.member(s.line)
    decided_at: int = s.member(s.time)
    expires_at: int = s.member(s.time)

    @property
    def is_allow(self) -> bool:
        """Whether this is an allow."""
        return self.decision == "allow"

    def scope_hash(self) -> str | None:
        """The hash of the scope, only when the document is complete."""
        if not all(name in self.scope for name in SCOPE_MEMBERS):
            return None
        return compute_scope_hash(self.scope)

    def complete_scope(self) -> Scope:
        """The scope of an allow. Raises Refused DECISION_INVALID if it is not complete and exact."""
        try:
            return s.decode(Scope, self.scope, "scope")
        except Refused as refused:
            raise Refused("DECISION_INVALID", refused.detail, expected=refused.expected, found=refused.found) from None

    def refs(self) -> dict[str, str]:
        """`job ticket policy plan bundle scope` from the scope, `run token token_scope` from the payload."""
        found = {ref: self.scope.get(name) for ref, name in _SCOPE_REFS.items()}
        found |= {
            "scope": self.scope_hash(),
            "run": self.run_id,
            "token": self.token_hash,
            "token_scope": self.token_scope_hash_b64u,
        }
        return {name: value for name, value in found.items() if value is not None}


def check_decision(record: Decision) -> None:
    """Check what an allow must have and may not, and the lifetime of both.

    Raises Refused DECISION_INVALID.
    """
    unknown = set(record.scope) - {*SCOPE_MEMBERS, "bundle_b64u"}
    if unknown:
        raise Refused("DECISION_INVALID", f"scope.{min(unknown)[:64]}", expected="only members of a scope")
    lifetime_ns = record.expires_at - record.decided_at
    if not 0 <= lifetime_ns <= DECISION_LIFETIME_S * NS:
        raise Refused("DECISION_INVALID", "expires_at", expected="at most 60 s after decided_at")
    if not record.is_allow:
        if not record.reasons:
            raise Refused("DECISION_INVALID", "reasons", expected="at least one reason of a deny")
        return
    scope = record.complete_scope()
    required = (record.token_hash, record.token_scope_hash_b64u, record.run_id, record.roster_b64u)
    if None in required:
        raise Refused("DECISION_INVALID", "allow", expected="token_hash, token scope, run_id and roster_b64u")
    if record.count is not None or record.withdraws_b64u is not None:
        raise Refused("DECISION_INVALID", "allow", expected="neither count nor withdraws_b64u")
    if (record.requested.action, record.requested.ticket) != (scope.action, scope.ticket):
        raise Refused("DECISION_INVALID", "requested", expected="the action and ticket of the scope")
    if (record.closing_reason is None) != (scope.bundle_b64u is None):
        raise Refused("DECISION_INVALID", "closing_reason", expected="exactly when the scope names a bundle")
    if scope.origin != record.origin:
        raise Refused("DECISION_INVALID", "scope.origin", expected=record.origin, found=scope.origin)
