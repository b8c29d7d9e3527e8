"""Which job is asking: from the token and its logged issuance, never from the caller's words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from trustlog.errors import Refused
from trustlog.gate.logged import Logged
from trustlog.gate.view import LogView
from trustlog.policy.facts import Missing, PresentedToken
from trustlog.policy.finding import Finding
from trustlog.policy.rules import check_presented_token
from trustlog.policy.rules.token import token_not_logged
from trustlog.tokens.scoped_token import ScopedToken, parse_token

TOKENS_KNOWN: Final = 4096  # a job asks with one token at every step


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

    @property
    def members(self) -> tuple[str | None, ...]:
        """Every word of it, in order."""
        asked = (self.action, self.ticket, self.token, self.audience, self.nonce)
        return (*asked, self.plan_hash, self.simulation, self.closing_reason)


def identify(view: LogView, size: int, request: GateRequest) -> tuple[Logged | None, ScopedToken | None, list[Finding]]:
    """The issuance of the caller's token, the token, and what stands against them.

    No issuance is given for a token that is not to be believed: the findings then say why.
    """
    token, issuance = None, None
    presented: PresentedToken | Missing
    try:
        token = _parse_token(request.token)
    except Refused as refused:
        found = Finding(refused.code, refused.expected or "a scoped token", refused.found or "something else")
        presented = Missing((found,))
    else:
        issued = view.valid("token_issued", "token", token.token_hash, size)
        issuance = issued[0] if issued else None
        presented = (
            Missing((token_not_logged(token.token_hash),)) if issuance is None else _presented(token, issuance, request)
        )
    findings = list(check_presented_token(presented))
    is_believed = not isinstance(presented, Missing) and presented.is_signed_by_issuer
    return issuance if is_believed else None, token, findings


_parse_token = lru_cache(maxsize=TOKENS_KNOWN)(parse_token)


@lru_cache(maxsize=TOKENS_KNOWN)
def _is_signed_by(compact: str, issuer_did: str) -> bool:
    return _parse_token(compact).is_signed_by(issuer_did)


def _presented(token: ScopedToken, issuance: Logged, request: GateRequest) -> PresentedToken:
    claims, record, issuer = token.claims, issuance.record, issuance.entry.signer_did
    return PresentedToken(
        token_hash=token.token_hash,
        kid=token.kid,
        is_signed_by_issuer=_is_signed_by(request.token, issuer),
        issuer_did=issuer,
        claims={
            "sub": claims.sub,
            "mission_id": claims.mission_id,
            "policy_hash_b64u": claims.policy_hash_b64u,
            "aud": [claims.aud] if isinstance(claims.aud, str) else claims.aud,
            "scope": claims.scope,
            "iat": claims.iat,
            "exp": claims.exp,
            "token_scope_hash_b64u": token.token_scope_hash_b64u,
        },
        issued={
            "sub": record.agent_did,
            "mission_id": record.job_id,
            "policy_hash_b64u": record.policy_hash_b64u,
            "aud": record.aud,
            "scope": record.scope,
            "iat": record.iat,
            "exp": record.exp,
            "token_scope_hash_b64u": record.token_scope_hash_b64u,
        },
        issued_ticket=record.ticket,
        asked_ticket=request.ticket,
    )
