"""Revocations, tombstones, violations and step-up evidence: small records that no permission follows from."""

from __future__ import annotations

from dataclasses import dataclass

from verifier import schema as s
from verifier.entry import HASH_PATTERN
from verifier.records.own import OwnRecord

_TARGET = (
    rf"token:[0-9a-f]{{64}}|job:[A-Za-z0-9._:-]{{1,128}}|policy:{HASH_PATTERN}|approval:{HASH_PATTERN}"
    r"|key:did:key:z[1-9A-HJ-NP-Za-km-z]{47}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation(OwnRecord):
    """A token, job, policy, approval or key is void from here on; irrevocable."""

    target: str = s.member(s.matching(_TARGET, "token:, job:, policy:, approval: or key: and its value"))
    reason: str = s.member(s.note)

    def refs(self) -> dict[str, str]:
        """`target`."""
        return {"target": self.target}


def check_revocation(record: Revocation) -> None:
    """A revoked key must be a key."""
    kind, _, value = record.target.partition(":")
    if kind == "key":
        s.did_key(value, "target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone(OwnRecord):
    """A payload was erased. Explains an absence and satisfies nothing."""

    payload_b64u: str = s.member(s.hash43)
    index: int = s.member(s.integer())
    leaf_hash_b64u: str = s.member(s.hash43)
    rule: str = s.member(s.line)
    reason: str = s.member(s.note)

    def refs(self) -> dict[str, str]:
        """`target`: the payload."""
        return {"target": self.payload_b64u}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An entry that somebody had in view: its index and leaf hash."""

    index: int = s.member(s.integer())
    leaf_hash_b64u: str = s.member(s.hash43)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation(OwnRecord):
    """What a gate saw going wrong, and did about it; changes no verdict."""

    code: str = s.member(s.code)
    ticket: str | None = s.optional(s.ticket)
    job_id: str | None = s.optional(s.identifier)
    run_id: str | None = s.optional(s.identifier)
    seen: tuple[Seen, ...] = s.member(s.list_of(s.object_of(Seen), maximum=1_000))
    expected: str = s.member(s.note)
    found: str = s.member(s.note)
    done: str = s.member(s.note)

    def refs(self) -> dict[str, str]:
        """`ticket job run`, those that are present."""
        named = {"ticket": self.ticket, "job": self.job_id, "run": self.run_id}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUp(OwnRecord):
    """Fresh identity-provider evidence for one approval. Logged, not yet judged: policies that ask for it fail."""

    approval_b64u: str = s.member(s.hash43)
    subject: str = s.member(s.subject)
    issuer: str = s.member(s.line)
    subject_hash: str = s.member(s.hash43)
    acr: tuple[str, ...] = s.member(s.list_of(s.line, maximum=16))
    auth_time: int = s.member(s.integer())
    token_salted_hash: str = s.member(s.hash43)
    jwks_b64u: str = s.member(s.hash43)

    def refs(self) -> dict[str, str]:
        """`target`: the approval."""
        return {"target": self.approval_b64u}
