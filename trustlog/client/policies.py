"""Policies of a log without reading all of it: what its registry names is proven, entry by entry; what it leaves out is not.

For an answer in which absence is proven too, the whole log is read (:class:`trustlog.gate.follow.Reading`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from trustlog.client.answers import Count, parse_answer, parse_hash_b64u, response_invalid
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.formats.entry import Entry, parse_entry
from trustlog.formats.envelope import check_signature
from trustlog.limits import MAX_ENVELOPE_BYTES, MAX_LIST_LIMIT
from trustlog.policy.standing import Place, Standing
from trustlog.records.candidate import read_logged
from trustlog.records.revocation import may_revoke
from trustlog.records.work_policy_contract import policy_from_text

KIND: Final = "work_policy_contract"
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024  # 1,000 rows of at most 2 KB
MAX_POLICIES: Final = 10_000  # that one list is followed for
MAX_PROVEN: Final = 256  # entries that one standing may name
ISSUERS: Final = ("policy_issuers",)
UNREAD: Final = frozenset({"PAYLOAD_ERASED", "PAYLOAD_MISSING", "HASH_MISMATCH"})


class ClaimedPolicy(msgspec.Struct, frozen=True):
    """One row of the log's list."""

    policy_hash_b64u: str
    policy_name: str | None
    index: Count
    signer_did: str


class _ListAnswer(msgspec.Struct, frozen=True):
    policies: Annotated[list[ClaimedPolicy], msgspec.Meta(max_length=MAX_LIST_LIMIT)]
    complete_to: Count
    next_cursor: str | None = None


class _Signed(msgspec.Struct, frozen=True):
    index: Count


class _Link(msgspec.Struct, frozen=True):
    policy_hash_b64u: str
    in_force_at: Count | None = None


class _StandingAnswer(msgspec.Struct, frozen=True):
    signers: Annotated[list[_Signed], msgspec.Meta(max_length=MAX_PROVEN)]
    revocations: Annotated[list[_Signed], msgspec.Meta(max_length=MAX_PROVEN)]
    supersedes: Annotated[list[_Link], msgspec.Meta(max_length=MAX_PROVEN)]
    superseded_by: Annotated[list[_Link], msgspec.Meta(max_length=MAX_PROVEN)]
    complete_to: Count


@dataclass(frozen=True, slots=True)
class ProvenPolicy:
    """A policy's exact bytes, which have its hash, and its standing as far as the log named what acts on it."""

    text: bytes
    standing: Standing


async def claimed_policies(client: LogClient, *, name: str | None = None) -> tuple[list[ClaimedPolicy], int]:
    """The policies that the log lists, and the size that its list is complete to. Claims: nothing is proven yet.

    Raises Refused: ``LOG_RESPONSE_INVALID`` for a list that does not ascend, or has no end; ``UNAVAILABLE`` where the log's
    index is behind its checkpoint.
    """
    found: list[ClaimedPolicy] = []
    size = (await client.checkpoint()).checkpoint.size
    query = {"limit": str(MAX_LIST_LIMIT), "min_size": str(size), **({} if name is None else {"name": name})}
    cursor = "0"
    while True:
        reply = await client.http.get("v1/policies", query={**query, "cursor": cursor}, max_bytes=MAX_ANSWER_BYTES)
        answer = parse_answer(reply.body, _ListAnswer)
        _check_complete(answer.complete_to, size)
        for row in answer.policies:
            parse_hash_b64u(row.policy_hash_b64u, "policy_hash_b64u")
            if found and row.index <= found[-1].index:
                raise response_invalid("a list does not ascend", found=row.index)
            found.append(row)
        if answer.next_cursor is None:
            return found, answer.complete_to
        if len(found) > MAX_POLICIES or not _is_ahead(answer.next_cursor, cursor):
            raise response_invalid("a list has no end", expected=f"a cursor beyond {cursor}", found=answer.next_cursor)
        cursor = answer.next_cursor


async def fetch_policy(client: LogClient, policy_hash: str) -> bytes:
    """The exact bytes of a policy, which have its hash. Raises Refused: ``POLICY_NOT_FOUND``, ``HASH_MISMATCH``."""
    sha256 = decode_b64u(policy_hash, 32, "policy_hash_b64u")
    try:
        reply = await client.http.get(f"v1/policies/{policy_hash}", max_bytes=MAX_ENVELOPE_BYTES)
    except Refused as refused:
        if refused.code != "NOT_FOUND":
            raise
        raise Refused("POLICY_NOT_FOUND", "the log names no such policy", param="policy", found=policy_hash) from None
    found = hashlib.sha256(reply.body).digest()
    if found != sha256:
        detail = "the log gave another policy"
        raise Refused("HASH_MISMATCH", detail, param="policy", expected=policy_hash, found=encode_b64u(found))
    return reply.body


async def prove_policy(client: LogClient, policy_hash: str) -> ProvenPolicy:
    """A policy by its hash, with every entry that the log names for its standing proven and judged by the trust policy.

    Raises Refused: as :func:`fetch_policy`; ``LOG_LIES`` where the log names an entry that is not what it says; the code of
    whatever proof fails; ``UNAVAILABLE`` where its index is behind its checkpoint.
    """
    text = await fetch_policy(client, policy_hash)
    size = (await client.checkpoint()).checkpoint.size
    query = {"min_size": str(size)}
    reply = await client.http.get(f"v1/policies/{policy_hash}/standing", query=query, max_bytes=MAX_ANSWER_BYTES)
    claimed = parse_answer(reply.body, _StandingAnswer)
    _check_complete(claimed.complete_to, size)
    rules = policy_from_text(text).rules
    older = None if rules is None else rules.superseded_policy
    standing = Standing(
        policy_hash=policy_hash,
        size=claimed.complete_to,
        quorum=client.trust.quorums["policy"],
        signers=tuple([place for one in claimed.signers if (place := await _signer(client, one.index, text, policy_hash))]),
        revoked_at=tuple([one.index for one in claimed.revocations if await _revokes(client, one.index, policy_hash)]),
        supersedes=() if older is None else (older,),
        superseded_by=tuple(await _superseding(client, claimed.superseded_by, policy_hash)),
    )
    return ProvenPolicy(text, standing)


async def _signer(client: LogClient, index: int, text: bytes, policy_hash: str) -> Place | None:
    """Who signed the policy at an index that the log names: proven to be there, the signature good; None if not trusted."""
    entry = await _proven(client, index, KIND)
    _check_named(index, "a signature of this policy", policy_hash, encode_b64u(entry.payload_hash))
    read_logged(entry.encode(), text, origin=client.origin)
    return (index, entry.signer_did) if _has_role(client, entry, index, ISSUERS) else None


async def _revokes(client: LogClient, index: int, policy_hash: str) -> bool:
    """Whether the entry at an index revokes the policy: one whose payload cannot be read counts by its refs."""
    entry = await _proven(client, index, "revocation")
    _check_named(index, "a revocation of this policy", f"policy:{policy_hash}", entry.refs.get("target"))
    if not _has_role(client, entry, index, may_revoke("policy")):
        return False
    try:
        payload = await client.payload(entry.payload_hash, max_bytes=MAX_ENVELOPE_BYTES)
    except Refused as refused:
        if refused.code not in UNREAD:
            raise
        check_signature(encode_b64u(entry.payload_hash), entry.signature, entry.signer_did)
        return True
    read_logged(entry.encode(), payload, origin=client.origin)
    return True


async def _superseding(client: LogClient, links: Sequence[_Link], policy_hash: str) -> list[Place]:
    """Those of the policies that the log names which replace this one; that they have their quorum is the log's claim."""
    found: list[Place] = []
    for link in links:
        if link.in_force_at is None:
            continue
        entry = await _proven(client, link.in_force_at, KIND)
        _check_named(link.in_force_at, "a newer policy", link.policy_hash_b64u, encode_b64u(entry.payload_hash))
        named = entry.refs.get("target") == f"policy:{policy_hash}"
        if named and _has_role(client, entry, link.in_force_at, ISSUERS):
            check_signature(encode_b64u(entry.payload_hash), entry.signature, entry.signer_did)
            found.append((link.in_force_at, link.policy_hash_b64u))
    return found


async def _proven(client: LogClient, index: int, kind: str) -> Entry:
    entry = parse_entry((await client.entry(index)).entry)
    _check_named(index, "its kind", kind, entry.kind)
    return entry


def _check_named(index: int, what: str, expected: str, found: str | None) -> None:
    if found != expected:
        detail = f"the log names the entry at index {index} for {what}, and it is another"
        raise Refused("LOG_LIES", detail, param="index", expected=expected, found=found or "none")


def _has_role(client: LogClient, entry: Entry, index: int, roles: tuple[str, ...]) -> bool:
    """Whether the signature counts here: the log may trust others than we do."""
    return client.trust.role_at(entry.signer_did, index) in roles


def _check_complete(complete_to: int, size: int) -> None:
    if complete_to < size:
        detail = "the log's index is behind its checkpoint"
        raise Refused("UNAVAILABLE", detail, param="complete_to", expected=f"complete to {size}", found=complete_to)


def _is_ahead(cursor: str, before: str) -> bool:
    return cursor.isascii() and cursor.isdigit() and len(cursor) < 18 and int(cursor) > int(before)
