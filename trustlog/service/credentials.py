"""Bearer credentials, where the log's configuration asks for them (RFC 6750)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from aiohttp import web

from trustlog.errors import Refused
from trustlog.log.directory import Configuration
from trustlog.service.context import Handler, log_of


def to_submit(handler: Handler) -> Handler:
    """Only for those who may submit."""
    return _guarded(handler, lambda configuration: configuration.submit_credentials)


def to_read(handler: Handler) -> Handler:
    """Only for those who may read payloads."""
    return _guarded(handler, lambda configuration: configuration.read_credentials)


def check_credential(authorization: str | None, accepted: frozenset[bytes]) -> None:
    """Check an ``Authorization`` header against SHA-256 values of tokens; none accepted means that none is asked.

    Raises Refused(UNAUTHENTICATED), which never shows what was sent.
    """
    if not accepted:
        return
    scheme, _, token = (authorization or "").partition(" ")
    digest = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
    known = [hmac.compare_digest(digest, each) for each in accepted]
    if scheme.lower() != "bearer" or not any(known):
        found = "no credential" if authorization is None else "another credential"
        raise Refused(
            "UNAUTHENTICATED", "this needs a credential", param="Authorization", expected="Bearer and a token", found=found
        )


def _guarded(handler: Handler, accepted: Callable[[Configuration], frozenset[bytes]]) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        check_credential(request.headers.get("Authorization"), accepted(log_of(request).configuration))
        return await handler(request)

    guarded.__name__ = getattr(handler, "__name__", "handler")
    guarded.__doc__ = handler.__doc__
    return guarded
