"""Signing decisions: from a judgement to the envelope that is logged, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.envelope import Signer, parse_envelope, seal_text
from trustlog.formats.plainjson import canonicalize_plain
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.decision import Decision, TokenNames, ViewOfLog, decision_payload
from trustlog.gate.identify import GateRequest
from trustlog.gate.question import Judgement
from trustlog.limits import DECISION_TTL_S
from trustlog.policy.finding import Finding
from trustlog.records.candidate import Candidate, read_candidate
from trustlog.tokens.scoped_token import ScopedToken


@dataclass(frozen=True, slots=True)
class Sealed:
    """A signed decision: the envelope, what a log makes of it, and the judgement that it says."""

    envelope: bytes
    candidate: Candidate
    judgement: Judgement
    at_ns: int

    @property
    def payload_hash(self) -> str:
        """How other records name it."""
        return self.candidate.payload_hash_b64u


class Seals:
    """One gate's signatures, under one trust policy. `random_bytes` gives as many unpredictable bytes as asked."""

    def __init__(self, signer: Signer, trust: TrustPolicy, random_bytes: Callable[[int], bytes]) -> None:
        self._signer = signer
        self._trust = trust
        self._random_bytes = random_bytes

    def seal(
        self,
        request: GateRequest,
        judgement: Judgement,
        token: ScopedToken | TokenNames | None,
        *,
        view: ViewOfLog,
        at_ns: int,
        withdraws: str | None = None,
        count: int | None = None,
    ) -> Sealed:
        """The signed record of `judgement`, made at `at_ns` on `view`."""
        payload = decision_payload(
            request,
            judgement,
            token,
            origin=self._trust.origin,
            view=view,
            trust_policy_sha256=self._trust.sha256,
            at_ns=at_ns,
            salt=encode_b64u(self._random_bytes(16)),
            withdraws=withdraws,
            count=count,
        )
        envelope = seal_text("gate_decision", canonicalize_plain(payload), self._signer, format_timestamp(at_ns))
        return Sealed(envelope, read_candidate(parse_envelope(envelope), origin=self._trust.origin), judgement, at_ns)


def decision_of(
    request: GateRequest,
    sealed: Sealed,
    *,
    index: int | None = None,
    more: tuple[Finding, ...] = (),
    decided: bool = True,
) -> Decision:
    """The answer that a signed record is; `more` are reasons that came after it was signed."""
    judgement = sealed.judgement
    return Decision(
        allow=judgement.allow and not more,
        findings=more + judgement.findings,
        request=request,
        scope=judgement.scope,
        decided_at=format_timestamp(sealed.at_ns),
        expires_at=format_timestamp(sealed.at_ns + DECISION_TTL_S * NS),
        index=index,
        payload_hash=sealed.payload_hash,
        envelope=sealed.envelope,
        approvals=judgement.approvals,
        run_id=judgement.run_id,
        plan_hash=judgement.scope.get("plan_hash_b64u"),
        decided=decided,
    )


def unlogged_decision(request: GateRequest, judgement: Judgement, at_ns: int, *, decided: bool = True) -> Decision:
    """An answer without a record: the allow of a tool that needs none, the deny of words that cannot be signed."""
    return Decision(
        allow=judgement.allow,
        findings=judgement.findings,
        request=request,
        scope=judgement.scope,
        decided_at=format_timestamp(at_ns),
        expires_at=format_timestamp(at_ns + DECISION_TTL_S * NS),
        run_id=judgement.run_id,
        plan_hash=judgement.scope.get("plan_hash_b64u"),
        decided=decided,
    )


def read_allow(envelope: bytes, origin: str) -> tuple[GateRequest, TokenNames, Candidate]:
    """The request (without the token, which no record holds), the token's names and the record of an allow that a gate sealed."""
    candidate = read_candidate(parse_envelope(envelope), origin=origin)
    record = candidate.record
    request = GateRequest(
        action=record.requested.action,
        ticket=record.requested.ticket,
        token="",
        audience=record.audience,
        nonce=record.nonce,
    )
    return request, TokenNames(record.token_hash, record.token_scope_hash_b64u), candidate


def with_findings(judgement: Judgement, findings: tuple[Finding, ...]) -> Judgement:
    """The judgement with more findings, first."""
    return Judgement(
        findings=tuple(dict.fromkeys((*findings, *judgement.findings))),
        scope=judgement.scope,
        run_id=judgement.run_id,
        roster_b64u=judgement.roster_b64u,
        approvals=judgement.approvals,
        evidence=judgement.evidence,
        is_logged=judgement.is_logged,
    )


def allow_again(envelope: bytes, index: int, origin: str) -> Decision:
    """The answer that an allow was when it was released."""
    request, _names, candidate = read_allow(envelope, origin)
    record: Any = candidate.record
    scope: Mapping[str, str] = dict(record.scope)
    judgement = Judgement((), scope=scope, run_id=record.run_id, approvals=tuple(record.approvals))
    return decision_of(request, Sealed(envelope, candidate, judgement, record.decided_at.ns), index=index)
