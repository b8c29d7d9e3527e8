"""``/.well-known/jwks.json``: the keys of the token issuers that the log's trust policy trusts for what is logged next.

The policy is the file as it stands, which admission takes up at SIGHUP. A key that was cut off is gone from here within the time
that the answer may be cached.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from trustlog.log.directory import LogDirectory
from trustlog.service.context import log_of
from trustlog.service.tiles import answer_bytes
from trustlog.tokens.jwks import MEDIA_TYPE, encode_jwks

CACHE: Final = "public, max-age=60"


async def get_jwks(request: web.Request) -> web.StreamResponse:
    """The JWK set of the token issuers."""
    log = log_of(request)
    body = await log.read(_read_keys, log.directory, log.published.size)
    return answer_bytes(request, body, MEDIA_TYPE, CACHE)


def _read_keys(directory: LogDirectory, index: int) -> bytes:
    issuers = directory.read_trust().roles["token_issuers"]
    return encode_jwks(window.did for window in issuers if window.covers(index))
