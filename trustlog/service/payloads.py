"""Payloads and policies, by their SHA-256."""

from __future__ import annotations

from aiohttp import web

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.formats.entry import Entry, parse_entry
from trustlog.limits import MAX_BLOB_BYTES, MIN_SIZE_WAIT_S
from trustlog.log.log import Log
from trustlog.log.lookup import find_entry_of_payload, find_payload
from trustlog.service.bodies import read_body
from trustlog.service.context import IMMUTABLE, json_response, log_of
from trustlog.service.envelopes import write_envelope

PRIVATE = "private, max-age=60"  # reading may need a credential, and what was there may be erased


async def put_payload(request: web.Request) -> web.StreamResponse:
    """Store a payload that is not an entry: a plan, an artefact."""
    log = log_of(request)
    if request.content_type != "application/octet-stream":
        raise Refused(
            "CONTENT_TYPE_UNSUPPORTED",
            "a payload is bytes",
            param="Content-Type",
            expected="application/octet-stream",
            found=request.content_type,
        )
    data = await read_body(request, MAX_BLOB_BYTES)
    sha256, created = await log.put_payload(data)
    return json_response({"sha256_b64u": encode_b64u(sha256), "size": len(data)}, status=201 if created else 200)


async def get_payload(request: web.Request) -> web.StreamResponse:
    """The exact bytes with this SHA-256."""
    log = log_of(request)
    sha256 = decode_b64u(request.match_info["sha256_b64u"], 32, "sha256_b64u")
    data = await _find(log, sha256)
    headers = {"Cache-Control": PRIVATE, "X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment"}
    return web.Response(body=data, content_type="application/octet-stream", headers=headers)


async def get_policy(request: web.Request) -> web.StreamResponse:
    """A policy by its hash: its exact bytes, or the envelope that was logged (``Accept: application/json``)."""
    log = log_of(request)
    sha256 = decode_b64u(request.match_info["sha256_b64u"], 32, "sha256_b64u")
    name = encode_b64u(sha256)
    data = await _find(log, sha256)
    stored = await log.read(
        find_entry_of_payload, log.reader, log.index, name, end=log.published.size, kind="work_policy_contract"
    )
    if stored is None:
        raise Refused("NOT_FOUND", "no policy has this hash", param="sha256_b64u", found=name)
    if "application/json" not in request.headers.get("Accept", ""):
        return web.Response(body=data, content_type="application/octet-stream", headers={"Cache-Control": IMMUTABLE})
    entry: Entry = parse_entry(stored.entry)
    envelope = write_envelope(entry, data, stored.attachments)
    return json_response({"ok": True, "policy_hash_b64u": name, "envelope": envelope})


async def _find(log: Log, sha256: bytes) -> bytes:
    size = log.published.size
    indexed = await log.indexing.reached(size, MIN_SIZE_WAIT_S)
    data = await log.read(find_payload, log.reader, log.index, sha256, end=size)
    if data is not None:
        return data
    name = encode_b64u(sha256)
    if not indexed:
        raise Refused("UNAVAILABLE", "the index is behind, so nobody knows yet", param="sha256_b64u", found=name)
    raise Refused("NOT_FOUND", "nothing here has this hash", param="sha256_b64u", expected="a known SHA-256", found=name)
