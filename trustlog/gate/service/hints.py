"""Next steps of the gate's own: the registered ones speak of what a log is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from trustlog.errors import REASONS, Refused

HINTS: Final = {
    "BODY_TOO_LARGE": "Send less at once: /openapi.json says how many requests a body may hold; a restriction is one envelope.",
    "CONTENT_TYPE_UNSUPPORTED": "Send JSON as it is, not compressed, with Content-Type: application/json.",
    "NOT_FOUND": "Check the address: /openapi.json lists what a gate answers.",
}


@web.middleware
async def say_next_step(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Give a refusal the gate's next step, where it was raised with none but the registered one."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        detail = "there is nothing at this path"
        expected, hint = "see /openapi.json", HINTS["NOT_FOUND"]
        raise Refused("NOT_FOUND", detail, param="path", expected=expected, found=request.path, hint=hint) from None
    except Refused as refused:
        if refused.hint == REASONS[refused.code].next_step:
            refused.hint = HINTS.get(refused.code, refused.hint)
        raise
