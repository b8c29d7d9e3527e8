"""Token transparency: that a scoped token exists for a job, and its terms. The token itself is never logged."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from trustlog.errors import Refused
from trustlog.records.fields import Did, Hash, Id, Line, Seconds, Subject, Ticket, TokenHash
from trustlog.records.kind import Claim, Kind, OwnRecord, by_schema, claim
from trustlog.records.token_scope import compute_token_scope_hash

Names = Annotated[list[Line], Meta(min_length=1, max_length=64)]


class TokenIssued(OwnRecord, frozen=True, kw_only=True):
    """``iat`` and ``exp`` in whole seconds since 1970; ``token_hash`` is hex SHA-256 of the compact token."""

    record: Literal["trustlog/token_issued/v1"]
    token_hash: TokenHash
    token_scope_hash_b64u: Hash
    job_id: Id
    ticket: Ticket
    requester: Subject
    agent_did: Did
    policy_hash_b64u: Hash
    aud: Names
    scope: Names
    iat: Seconds
    exp: Seconds

    def claims(self) -> dict[str, Any]:
        """The claims that the scope hash covers, for a token that this project mints."""
        return {
            "token_version": "1",
            "sub": str(self.agent_did),
            "aud": self.aud,
            "scope": self.scope,
            "mission_id": self.job_id,
            "policy_hash_b64u": self.policy_hash_b64u,
        }


def _claims(record: TokenIssued, signer_did: str, payload_hash: str) -> list[Claim]:
    job = (record.token_scope_hash_b64u, record.ticket, record.policy_hash_b64u, record.requester, record.agent_did)
    return [
        claim("payload.token_hash", "token", record.token_hash, value=(signer_did, payload_hash)),
        claim("payload.job_id", "job", record.job_id, value=job),
    ]


def _check(record: TokenIssued, _signer_did: str, _payload_text: bytes) -> None:
    expected = compute_token_scope_hash(record.claims())
    if record.token_scope_hash_b64u != expected:
        detail = "the scope hash is not that of the token's terms"
        param = "payload.token_scope_hash_b64u"
        raise Refused("TOKEN_SCOPE_MISMATCH", detail, param=param, expected=expected, found=record.token_scope_hash_b64u)
    if record.exp <= record.iat:
        detail = "the token ends before it begins"
        raise Refused("SCHEMA_VALIDATION_FAILED", detail, param="payload.exp", expected=f"> {record.iat}", found=record.exp)


TOKEN_ISSUED: Final = Kind(
    "token_issued",
    by_schema(TokenIssued),
    ("token_issuers",),
    own=True,
    refs=lambda record, _payload_hash: {
        "token": record.token_hash,
        "token_scope": record.token_scope_hash_b64u,
        "job": record.job_id,
        "ticket": record.ticket,
        "policy": record.policy_hash_b64u,
    },
    claims=_claims,
    check=_check,
)
