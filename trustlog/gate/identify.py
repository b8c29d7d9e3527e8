"""Which job is asking: from the token and its logged issuance, never from the caller's words."""

from __future__ import annotations

from dataclasses import dataclass

from trustlog.errors import Refused
from trustlog.gate.view import Logged, LogView
from trustlog.policy.finding import Finding
from trustlog.tokens.scoped_token import ScopedToken, parse_token


@dataclass(frozen=True, slots=True)
class GateRequest:
    """What a caller asks: `token` is the compact token; `audience` and `nonce` come back in the decision.

    `plan_hash` and `simulation` (base64url) say which plan and dry run, where there could be several.
    """

    action: str
    ticket: str
    token: str
    audience: str
    nonce: str
    plan_hash: str | None = None
    simulation: str | None = None
    closing_reason: str | None = None


def identify(view: LogView, size: int, request: GateRequest) -> tuple[Logged | None, ScopedToken | None, list[Finding]]:
    """The issuance of the caller's token, the token, and what stands against them.

    No issuance is given for a token that is not to be believed: the findings then say why.
    """
    try:
        token = parse_token(request.token)
    except Refused as refused:
        return None, None, [Finding(refused.code, refused.expected or "a scoped token", refused.found or "something else")]
    issued = view.valid("token_issued", "token", token.token_hash, size)
    if not issued:
        found = f"no issuance of the token with hash {token.token_hash}"
        return None, token, [Finding("TOKEN_NOT_LOGGED", "a token whose issuance is in the log", found)]
    issuance = issued[0]
    if not token.is_signed_by(issuance.entry.signer_did):
        expected = f"a token signed by {issuance.entry.signer_did}, who logged its issuance"
        return None, token, [Finding("TOKEN_SIGNATURE_INVALID", expected, f"another signature, kid {token.kid}")]
    findings = list(_differences(token, issuance))
    if request.ticket != issuance.record.ticket:
        expected = f"a token of ticket {request.ticket}"
        findings.append(Finding("TOKEN_TICKET_MISMATCH", expected, f"one of {issuance.record.ticket}"))
    return issuance, token, findings


def _differences(token: ScopedToken, issuance: Logged) -> list[Finding]:
    """Every claim that the issuance states otherwise."""
    claims, record = token.claims, issuance.record
    aud = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    pairs = (
        ("sub", claims.sub, record.agent_did),
        ("mission_id", claims.mission_id, record.job_id),
        ("policy_hash_b64u", claims.policy_hash_b64u, record.policy_hash_b64u),
        ("aud", aud, record.aud),
        ("scope", claims.scope, record.scope),
        ("iat", claims.iat, record.iat),
        ("exp", claims.exp, record.exp),
        ("token_scope_hash_b64u", token.token_scope_hash_b64u, record.token_scope_hash_b64u),
    )
    return [
        Finding("TOKEN_SCOPE_MISMATCH", f"{name} {logged}, as its issuance says", str(claimed))
        for name, claimed, logged in pairs
        if claimed != logged
    ]
