"""Payloads, by their SHA-256."""

from __future__ import annotations

from aiohttp import web

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.limits import MAX_BLOB_BYTES, MIN_SIZE_WAIT_S
from trustlog.log.log import Log
from trustlog.log.lookup import find_payload
from trustlog.service.bodies import read_body
from trustlog.service.context import json_response, log_of

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
    data = await find_bytes(log, sha256)
    headers = {"Cache-Control": PRIVATE, "X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment"}
    return web.Response(body=data, content_type="application/octet-stream", headers=headers)


async def find_bytes(log: Log, sha256: bytes) -> bytes:
    """The bytes with this SHA-256 (32 bytes). Raises Refused: NOT_FOUND, GONE_ERASED, UNAVAILABLE."""
    size = log.published.size
    indexed = await log.indexing.reached(size, MIN_SIZE_WAIT_S)
    data = await log.read(find_payload, log.reader, log.index, sha256, end=size)
    if data is not None:
        return data
    name = encode_b64u(sha256)
    if not indexed:
        raise Refused("UNAVAILABLE", "the index is behind, so nobody knows yet", param="sha256_b64u", found=name)
    raise Refused("NOT_FOUND", "nothing here has this hash", param="sha256_b64u", expected="a known SHA-256", found=name)
