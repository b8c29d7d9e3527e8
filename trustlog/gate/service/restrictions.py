"""``POST /v1/restrictions``: a signed revocation or denial counts from now on. It is its own credential."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from trustlog.errors import Refused
from trustlog.gate.gate import Gate
from trustlog.gate.restrictions import Restricted, Waiting
from trustlog.gate.service.context import service_of
from trustlog.limits import MAX_ENVELOPE_BYTES
from trustlog.service.bodies import read_body
from trustlog.service.context import json_response

LOGGED_WITHIN_S: Final = 2.0  # what takes longer is logged after the answer
READ_WITHIN_S: Final = 2.0
PERHAPS_SINCE: Final = frozenset(
    {"ROSTER_MISSING", "SIGNER_NOT_TRUSTED", "REVOCATION_NOT_PERMITTED"}
)  # the log may say more now
NOTHING_OF: Final[dict[str, Any]] = {
    "reason_code": None,
    "detail": None,
    "loggable_until": None,
    "must_be_signed_again": False,
    "hint": None,
}


async def post_restriction(request: web.Request) -> web.StreamResponse:
    """Take one; 200 where it is logged, 202 where it is not yet."""
    service = service_of(request)
    if request.content_type != "application/json":
        raise Refused(
            "CONTENT_TYPE_UNSUPPORTED",
            "an envelope is JSON",
            param="Content-Type",
            expected="application/json",
            found=request.content_type,
        )
    envelope = await read_body(request, MAX_ENVELOPE_BYTES)
    with service.asking():
        restricted = await _take(service.gate, envelope)
        index = restricted.index
        if index is None:
            service.metrics.count_restriction(restricted.kind)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOGGED_WITHIN_S):
                    index = await service.gate.restrictions.send(restricted.payload_hash)
        waiting = [] if index is not None else service.gate.restrictions.waiting(restricted.payload_hash)
    answer = {
        "kind": restricted.kind,
        "payload_hash_b64u": restricted.payload_hash,
        "logged": index is not None,
        "index": index,
        **(what_of(waiting[0]) if waiting else NOTHING_OF),
    }
    return json_response(answer, status=202 if index is None else 200)


def what_of(waiting: Waiting) -> dict[str, Any]:
    """Why a restriction is not logged, until when it can be, and what is to be done where it never will be."""
    return {
        "reason_code": None if waiting.trouble is None else waiting.trouble.code,
        "detail": None if waiting.trouble is None else waiting.trouble.detail,
        "loggable_until": waiting.loggable_until,
        "must_be_signed_again": waiting.next_step is not None,
        "hint": waiting.next_step,
    }


async def _take(gate: Gate, envelope: bytes) -> Restricted:
    """Take it on the view as it is; where its signer has no right to it there, on what the log says now."""
    try:
        return gate.restrict(envelope)
    except Refused as refused:
        if refused.code not in PERHAPS_SINCE:
            raise
    with suppress(TimeoutError):
        async with asyncio.timeout(READ_WITHIN_S):
            await gate.catch_up()
    return gate.restrict(envelope)
