"""``/v1/policies``: the registry. Exact bytes prove themselves by their hash; lists and standings are claims, and say so.

Anyone can recompute what is claimed here from the entries and payloads of the log, and ``trustlog policy`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.formats.entry import parse_entry
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.limits import MIN_SIZE_WAIT_S
from trustlog.log.log import Log
from trustlog.log.lookup import find_entry_of_payload
from trustlog.log.policies import KIND, Link, PolicyLookup, Revision, name_of
from trustlog.merkle.hashing import hash_leaf
from trustlog.records.candidate import read_logged
from trustlog.service.context import json_response, log_of, parameter_invalid, read_query
from trustlog.service.envelopes import write_envelope
from trustlog.service.paging import PAGING, take_paging
from trustlog.service.payloads import find_bytes
from trustlog.storage.connection import StorageFailed
from trustlog.storage.log_reader import StoredEntry

IMMUTABLE: Final = "private, max-age=31536000, immutable"  # reading may need a credential
MAX_NAME_CHARACTERS: Final = 128


async def get_policy(request: web.Request) -> web.StreamResponse:
    """A policy by its hash: its exact bytes, or the envelope that was logged (``Accept: application/json``)."""
    log = log_of(request)
    sha256 = decode_b64u(request.match_info["sha256_b64u"], 32, "sha256_b64u")
    name = encode_b64u(sha256)
    data = await find_bytes(log, sha256)
    stored = await log.read(find_entry_of_payload, log.reader, log.index, name, end=log.published.size, kind=KIND)
    if stored is None:
        raise _not_found(name)
    headers = {"Cache-Control": IMMUTABLE, "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
    if "application/json" not in request.headers.get("Accept", ""):
        return web.Response(body=data, content_type="application/octet-stream", headers=headers)
    _check_logged(log, stored, data)
    # The members of a policy's envelope are closed: it has no expires_at.
    envelope = write_envelope(parse_entry(stored.entry), data, stored.attachments, dates=("issued_at",))
    answer = json_response({"ok": True, "policy_hash_b64u": name, "envelope": envelope})
    answer.headers["Vary"] = "Accept"
    return answer


async def list_policies(request: web.Request) -> web.StreamResponse:
    """The policies that were logged, oldest first, each once: what it is called, who signed it first, what it replaces."""
    log = log_of(request)
    query = read_query(request, "name", *PAGING)
    limit, min_size, start = take_paging(query)
    name = query.get("name")
    if name is not None and len(name) > MAX_NAME_CHARACTERS:
        expected = f"at most {MAX_NAME_CHARACTERS} characters"
        raise parameter_invalid("name", "no policy has such a name", expected=expected, found=f"{len(name)} characters")
    await log.indexing.reached(min_size, MIN_SIZE_WAIT_S)
    end = min(log.indexing.value, log.published.size)
    lookup = PolicyLookup(log.reader, log.index, await _trust(log), end=end)
    page = await log.read(lookup.revisions, name, start=start, limit=limit)
    return json_response(
        {
            "policies": [_row(one) for one in page.revisions],
            "complete_to": end,
            "next_cursor": str(page.searched_to) if page.searched_to < end else None,
        }
    )


async def get_standing(request: web.Request) -> web.StreamResponse:
    """What acts on a policy: its signers and their quorum, revocations, what it replaces and what replaces it."""
    log = log_of(request)
    name = encode_b64u(decode_b64u(request.match_info["sha256_b64u"], 32, "sha256_b64u"))
    query = read_query(request, "min_size")
    _, min_size, _ = take_paging(query)
    end = max(log.published.size, min_size)
    indexed = await log.indexing.reached(end, MIN_SIZE_WAIT_S)
    complete_to = min(log.indexing.value, log.published.size)
    trust = await _trust(log)
    lookup = PolicyLookup(log.reader, log.index, trust, end=complete_to)
    found = await log.read(lookup.standing, name)
    if found is None and not indexed:
        raise Refused("UNAVAILABLE", "the index is behind, so nobody knows yet", param="sha256_b64u", found=name)
    if found is None:
        raise _not_found(name)
    return json_response(
        {
            "policy_hash_b64u": name,
            "policy_name": await log.read(_name_at, log, next(iter(found.signed), None)),
            "status": found.status,
            "quorum": trust.quorums["policy"],
            "in_force_at": found.in_force_at,
            "signers": _entries(found.signed),
            "revocations": _entries(found.revoked),
            "supersedes": [_link(one) for one in found.supersedes],
            "superseded_by": [_link(one) for one in found.superseded_by],
            "complete_to": complete_to,
            "trust_policy_sha256": trust.sha256.hex(),
        }
    )


async def _trust(log: Log) -> TrustPolicy:
    """What ``trust.toml`` says now. Raises Refused(UNAVAILABLE) while it cannot be read."""
    try:
        return await log.read(log.directory.read_trust)
    except Refused as refused:
        raise Refused(
            "UNAVAILABLE", "the log's trust policy cannot be read at the moment", param="trust.toml", found=refused.code
        ) from None


def _check_logged(log: Log, stored: StoredEntry, data: bytes) -> None:
    """Check that the entry, its signature and this payload belong together. Raises StorageFailed(LOG_CORRUPT)."""
    try:
        read_logged(stored.entry, data, origin=log.origin)
    except Refused as refused:
        raise StorageFailed(
            "LOG_CORRUPT", f"a stored policy is not what its entry says: {refused.code}", param="payload", found=stored.index
        ) from None


def _name_at(log: Log, index: int | None) -> str | None:
    stored = None if index is None else log.reader.stored(index)
    return None if stored is None or stored.payload is None else name_of(stored.payload)


def _row(one: Revision) -> dict[str, Any]:
    target = one.entry.refs.get("target")
    return {
        "policy_hash_b64u": encode_b64u(one.entry.payload_hash),
        "policy_name": one.name,
        "index": one.index,
        "leaf_hash_b64u": encode_b64u(hash_leaf(one.data)),
        "signer_did": one.entry.signer_did,
        "supersedes_b64u": None if target is None else target.removeprefix("policy:"),
    }


def _entries(entries: Mapping[int, bytes]) -> list[dict[str, Any]]:
    return [
        {"signer_did": parse_entry(data).signer_did, "index": index, "leaf_hash_b64u": encode_b64u(hash_leaf(data))}
        for index, data in entries.items()
    ]


def _link(one: Link) -> dict[str, Any]:
    return {"policy_hash_b64u": one.policy_hash_b64u, "in_force_at": one.in_force_at}


def _not_found(name: str) -> Refused:
    return Refused("NOT_FOUND", "no policy has this hash", param="sha256_b64u", expected="the hash of a policy", found=name)
