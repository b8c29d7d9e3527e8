"""Token transparency: that a scoped token exists for a job, and its terms. The token itself is never logged."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal

from msgspec import Meta

from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import canonicalize
from trustlog.records.fields import Did, Hash, Id, Line, Seconds, Subject, Ticket, TokenHash
from trustlog.records.kind import Claim, Kind, OwnRecord, by_schema, claim

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


def compute_token_scope_hash(*, agent_did: str, aud: list[str], scope: list[str], job_id: str, policy_hash_b64u: str) -> str:
    """The scope hash of a token that this project mints, from what its issuance says.

    base64url SHA-256 of the RFC 8785 form of exactly ``token_version sub aud scope mission_id policy_hash_b64u``; arrays are
    trimmed, de-duplicated and sorted by UTF-16 code unit (Clawsig scoped_token_claims v1).
    """
    claims = {
        "token_version": "1",
        "sub": agent_did.strip(),
        "aud": sort_names(aud),
        "scope": sort_names(scope),
        "mission_id": job_id,
        "policy_hash_b64u": policy_hash_b64u,
    }
    return encode_b64u(hashlib.sha256(canonicalize(claims)).digest())


def sort_names(names: list[str]) -> list[str]:
    """Trimmed, de-duplicated, sorted by UTF-16 code unit; empty names dropped."""
    return sorted({name.strip() for name in names} - {""}, key=lambda name: name.encode("utf-16-be"))


def _claims(record: TokenIssued, signer_did: str, payload_hash: str) -> list[Claim]:
    job = (record.token_scope_hash_b64u, record.ticket, record.policy_hash_b64u, record.requester, record.agent_did)
    return [
        claim("payload.token_hash", "token", record.token_hash, value=(signer_did, payload_hash)),
        claim("payload.job_id", "job", record.job_id, value=job),
    ]


def _check(record: TokenIssued, _signer_did: str, _payload_text: bytes) -> None:
    expected = compute_token_scope_hash(
        agent_did=record.agent_did,
        aud=record.aud,
        scope=record.scope,
        job_id=record.job_id,
        policy_hash_b64u=record.policy_hash_b64u,
    )
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
