"""Token records: that a scoped token exists for one job, never the token itself."""

from __future__ import annotations

from dataclasses import dataclass

from verifier import schema as s
from verifier.encodings import hash_b64u
from verifier.errors import Refused
from verifier.jsonforms import canonicalize
from verifier.records.own import OwnRecord

_names = s.list_of(s.line, minimum=1, maximum=64)
# ECMAScript: TAB VT FF LF CR, no-break spaces, line and paragraph separators, and Unicode's other space separators.
_WHITE_SPACE = "\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))
_WHITE_SPACE += "\u2028\u2029\u202f\u205f\u3000\ufeff"


def sorted_unique(values: tuple[str, ...]) -> list[str]:
    """Trimmed as ECMAScript does, without duplicates and empty ones, sorted by UTF-16 code unit, as token scope hashes demand."""
    return sorted({value.strip(_WHITE_SPACE) for value in values} - {""}, key=lambda value: value.encode("utf-16-be"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssued(OwnRecord):
    """A token: its job, requester, agent, policy pin, audience, scope, and lifetime in seconds since 1970."""

    token_hash: str = s.member(s.hex64)
    token_scope_hash_b64u: str = s.member(s.hash43)
    job_id: str = s.member(s.identifier)
    ticket: str = s.member(s.ticket)
    requester: str = s.member(s.subject)
    agent_did: str = s.member(s.did_key)
    policy_hash_b64u: str = s.member(s.hash43)
    aud: tuple[str, ...] = s.member(_names)
    scope: tuple[str, ...] = s.member(_names)
    iat: int = s.member(s.integer())
    exp: int = s.member(s.integer())

    def scope_document(self) -> bytes:
        """What `token_scope_hash_b64u` covers, of the members that a token of ours contains; no times."""
        claims = {
            "token_version": "1",
            "sub": self.agent_did,
            "aud": sorted_unique(self.aud),
            "scope": sorted_unique(self.scope),
            "mission_id": self.job_id,
            "policy_hash_b64u": self.policy_hash_b64u,
        }
        return canonicalize(claims)

    def compute_scope_hash(self) -> str:
        """`token_scope_hash_b64u`, recomputed."""
        return hash_b64u(self.scope_document())

    def compute_cst_scope_hash(self) -> str:
        """The hash over audience and scope alone, as a policy's `cst_scope_hash` spells it."""
        claims = {"aud": sorted_unique(self.aud), "scope": sorted_unique(self.scope)}
        return "b64u:" + hash_b64u(canonicalize(claims))

    def job_tuple(self) -> str:
        """What a job id holds: any number of tokens with the same tuple, none with another."""
        return "|".join((self.token_scope_hash_b64u, self.ticket, self.policy_hash_b64u, self.requester, self.agent_did))

    def refs(self) -> dict[str, str]:
        """`token token_scope job ticket policy`."""
        return {
            "token": self.token_hash,
            "token_scope": self.token_scope_hash_b64u,
            "job": self.job_id,
            "ticket": self.ticket,
            "policy": self.policy_hash_b64u,
        }


def check_token(record: TokenIssued) -> None:
    """Check the scope hash and that the lifetime is one. Raises Refused TOKEN_SCOPE_MISMATCH, SCHEMA_VALIDATION_FAILED."""
    computed = record.compute_scope_hash()
    if computed != record.token_scope_hash_b64u:
        raise Refused(
            "TOKEN_SCOPE_MISMATCH",
            "token_scope_hash_b64u",
            expected=computed,
            found=record.token_scope_hash_b64u,
        )
    if record.iat >= record.exp:
        raise Refused("SCHEMA_VALIDATION_FAILED", "exp", expected="after iat")
