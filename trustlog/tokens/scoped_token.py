"""A scoped token is a compact JWS: ``header.claims.signature``, EdDSA by the token issuer's key (RFC 7515, RFC 8037).

The header is exactly ``{"alg":"EdDSA","typ":"JWT","kid":…}``, ``kid`` the first 16 hex digits of the SHA-256 of the public key. The
key is never taken from the token: it is that of the logged issuance.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.formats.didkey import parse_did_key
from trustlog.formats.ed25519 import verify_ed25519
from trustlog.formats.envelope import Signer
from trustlog.formats.jsontext import parse_json
from trustlog.records.fields import UNSET, Did, Hash, Id, Line, Seconds, Struct, UnsetType, convert_record
from trustlog.records.token_scope import compute_token_scope_hash, sort_names

MAX_TOKEN_CHARACTERS: Final = 8192
ControlDid = Annotated[str, Meta(pattern=r"^did:[a-z0-9]+:[a-zA-Z0-9._%-]+\Z")]


class TokenClaims(Struct, frozen=True, kw_only=True):
    """The claims of a job's token (Clawsig scoped_token_claims v1); ``mission_id`` is the job."""

    token_version: Literal["1"]
    sub: Did
    aud: str | list[str]
    scope: Annotated[list[Line], Meta(min_length=1, max_length=64)]
    iat: Seconds
    exp: Seconds
    mission_id: Id | UnsetType = UNSET
    policy_hash_b64u: Hash | UnsetType = UNSET
    token_scope_hash_b64u: Hash | UnsetType = UNSET
    jti: Line | UnsetType = UNSET
    nonce: Line | UnsetType = UNSET
    owner_ref: str | UnsetType = UNSET
    owner_did: ControlDid | UnsetType = UNSET
    controller_did: ControlDid | UnsetType = UNSET
    agent_did: ControlDid | UnsetType = UNSET
    control_plane_policy_hash_b64u: Hash | UnsetType = UNSET
    payment_account_did: ControlDid | UnsetType = UNSET
    spend_cap: float | int | UnsetType = UNSET
    delegation_id: str | UnsetType = UNSET
    delegator_did: ControlDid | UnsetType = UNSET
    delegate_did: ControlDid | UnsetType = UNSET
    delegation_policy_hash_b64u: Hash | UnsetType = UNSET
    delegation_spend_cap_minor: str | UnsetType = UNSET
    delegation_expires_at: int | UnsetType = UNSET
    token_lane: Literal["legacy", "canonical"] | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class ScopedToken:
    """A parsed token, its signature not yet checked. ``token_hash`` is lower-case hex SHA-256 of the compact text."""

    claims: TokenClaims
    kid: str
    token_hash: str
    token_scope_hash_b64u: str
    signing_input: bytes
    signature: bytes

    def is_signed_by(self, issuer_did: str) -> bool:
        """Whether `issuer_did` signed it and the header names that key."""
        key = parse_did_key(issuer_did)
        return self.kid == key_id(key) and verify_ed25519(key, self.signing_input, self.signature)


def parse_token(compact: str) -> ScopedToken:
    """The token that a compact JWS is; ``TOKEN_MALFORMED`` (the token itself is never repeated in the refusal)."""
    parts = compact.split(".")
    if len(compact) > MAX_TOKEN_CHARACTERS or len(parts) != 3 or not compact.isascii():
        raise _malformed("three base64url parts", f"{len(parts)} parts, {len(compact)} characters")
    try:
        header = parse_json(_decode_part(parts[0], "header"), "token header")
        claims = parse_json(_decode_part(parts[1], "claims"), "token claims")
        signature = decode_b64u(parts[2], 64, "token signature")
        known = convert_record(claims, TokenClaims, param="token claims")
    except Refused as refused:
        if refused.code == "TOKEN_MALFORMED":
            raise
        raise _malformed(refused.expected or "a scoped token", f"something else in {refused.param}") from None
    if not _is_our_header(header):
        raise _malformed('the header {"alg":"EdDSA","typ":"JWT","kid":"<16 hex digits>"}', "another header")
    stated = known.token_scope_hash_b64u
    scope_hash = compute_token_scope_hash(claims)
    if not isinstance(stated, UnsetType) and stated != scope_hash:
        raise _malformed("the scope hash of its own claims", "another token_scope_hash_b64u")
    return ScopedToken(
        claims=known,
        kid=header["kid"],
        token_hash=hashlib.sha256(compact.encode("ascii")).hexdigest(),
        token_scope_hash_b64u=scope_hash,
        signing_input=compact.rpartition(".")[0].encode("ascii"),
        signature=signature,
    )


def mint_token(
    issuer: Signer,
    *,
    agent_did: str,
    aud: list[str],
    scope: list[str],
    job_id: str,
    policy_hash_b64u: str,
    iat: int,
    exp: int,
    jti: str,
) -> str:
    """A compact token for one job, pinned to one policy; times in whole seconds since 1970, `jti` unique."""
    claims = {
        "token_version": "1",
        "sub": agent_did,
        "aud": sort_names(aud),
        "scope": sort_names(scope),
        "mission_id": job_id,
        "policy_hash_b64u": policy_hash_b64u,
        "iat": iat,
        "exp": exp,
        "jti": jti,
    }
    header = {"alg": "EdDSA", "typ": "JWT", "kid": key_id(parse_did_key(issuer.did))}
    signing_input = f"{_encode_part(header)}.{_encode_part(claims)}"
    return f"{signing_input}.{encode_b64u(issuer.sign(signing_input.encode('ascii')))}"


def issuance_members(compact: str, *, ticket: str, requester: str) -> dict[str, Any]:
    """The members, header apart, of the ``token_issued`` record of a token that :func:`mint_token` made."""
    token = parse_token(compact)
    claims = token.claims
    return {
        "token_hash": token.token_hash,
        "token_scope_hash_b64u": token.token_scope_hash_b64u,
        "job_id": claims.mission_id,
        "ticket": ticket,
        "requester": requester,
        "agent_did": claims.sub,
        "policy_hash_b64u": claims.policy_hash_b64u,
        "aud": claims.aud,
        "scope": claims.scope,
        "iat": claims.iat,
        "exp": claims.exp,
    }


def key_id(public_key: bytes) -> str:
    """The ``kid`` of a 32-byte public key."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def _is_our_header(header: Any) -> bool:
    if not isinstance(header, dict) or set(header) != {"alg", "typ", "kid"}:
        return False
    return (
        header["alg"] == "EdDSA" and header["typ"] == "JWT" and re.fullmatch("[0-9a-f]{16}", str(header["kid"])) is not None
    )


def _encode_part(value: Mapping[str, Any]) -> str:
    return encode_b64u(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8"))


def _decode_part(text: str, name: str) -> bytes:
    try:
        return decode_b64u(text, len(text) * 6 // 8, "")
    except Refused:
        raise _malformed(
            f"base64url without padding in the token's {name}", f"something else, {len(text)} characters long"
        ) from None


def _malformed(expected: str, found: str) -> Refused:
    return Refused("TOKEN_MALFORMED", "this is not a scoped token", param="token", expected=expected, found=found)
