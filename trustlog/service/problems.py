"""Problems: how every refusal leaves the service (RFC 9457).

``application/problem+json`` with the registered members and ``code``, ``param``, ``expected``, ``found``, ``hint`` and
``request_id``; a conflict also names its holder, an erasure its tombstone. aiohttp's own errors (404, 405, 413) are turned into
the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from trustlog.errors import REASONS, Conflict, Refused, TrustlogError
from trustlog.formats.base64 import encode_b64u
from trustlog.log.lookup import Erased
from trustlog.service.context import CONNECTIONS, REQUEST_ID, REQUEST_IDS, metrics_of

_LOGGER = logging.getLogger(__name__)

CONTENT_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1

STATUS: Final[dict[str, int]] = {
    "JSON_INVALID": 400,
    "JSON_DUPLICATE_KEY": 400,
    "JSON_NUMBER_OUT_OF_RANGE": 400,
    "JSON_LONE_SURROGATE": 400,
    "JSON_TOO_DEEP": 400,
    "MALFORMED_ENVELOPE": 400,
    "BASE64URL_INVALID": 400,
    "BASE64_INVALID": 400,
    "INVALID_DID_FORMAT": 400,
    "PARAMETER_INVALID": 400,
    "UNAUTHENTICATED": 401,
    "SIGNER_NOT_TRUSTED": 403,
    "SIGNER_WRONG_ROLE": 403,
    "REVOCATION_NOT_PERMITTED": 403,
    "TOMBSTONE_NOT_PERMITTED": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "CONFLICT": 409,
    "REQUEST_TIMEOUT": 408,
    "GONE_ERASED": 410,
    "BODY_TOO_LARGE": 413,
    "CONTENT_TYPE_UNSUPPORTED": 415,
    "RATE_LIMITED": 429,
    "INTERNAL_ERROR": 500,
    "UNAVAILABLE": 503,
    "LOG_READ_ONLY": 503,
    "STORAGE_FAILED": 503,
    "LOG_CORRUPT": 503,
    "GUARD_MISMATCH": 503,
}
"""Status by code; every other refusal is 422: understood, and not acceptable."""


def status_of(error: TrustlogError) -> int:
    """The HTTP status of an error."""
    return STATUS.get(error.code, 422)


def problem_of(error: TrustlogError, request_id: str) -> dict[str, Any]:
    """The members of the problem document; those that do not apply are left out."""
    document: dict[str, Any] = {
        "type": f"urn:trustlog:reason:{error.code}",
        "title": REASONS[error.code].sentence,
        "status": status_of(error),
        "detail": error.detail,
        "code": error.code,
        "param": error.param or ("body" if status_of(error) in {400, 422} else None),
        "expected": error.expected,
        "found": error.found or ("see detail" if error.expected else None),
        "hint": error.hint or None,
        "request_id": request_id,
    }
    if isinstance(error, Conflict):
        document |= {"index": error.index, "leaf_hash_b64u": encode_b64u(error.leaf_hash)}
    if isinstance(error, Erased):
        document["index"] = error.index
    return {name: value for name, value in document.items() if value is not None}


def encode_problem(error: TrustlogError, request_id: str) -> bytes:
    """The problem document, as JSON."""
    return msgspec.json.encode(problem_of(error, request_id))


def problem_response(error: TrustlogError, request_id: str) -> web.Response:
    """The whole answer."""
    status = status_of(error)
    headers = {"X-Request-Id": request_id, "Cache-Control": "no-store"}
    if status in {429, 503}:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if status == 408:
        headers["Connection"] = "close"
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="trustlog"'
    body = encode_problem(error, request_id)
    return web.Response(status=status, body=body, content_type=CONTENT_TYPE, headers=headers)


@web.middleware
async def answer_problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Give every request an id, and every failure a problem document."""
    connections, began = request.app[CONNECTIONS], time.perf_counter()
    connections.note_request(request.protocol)
    request_id = request[REQUEST_ID] = request.app[REQUEST_IDS].take()
    try:
        response = await handler(request)
    except TrustlogError as error:
        response = _refuse(request, error)
    except web.HTTPException as error:
        response = _refuse(request, _from_aiohttp(request, error))
        response.headers.update({name: value for name, value in error.headers.items() if name == "Allow"})
    except (ConnectionError, web.RequestPayloadError):
        response = _refuse(request, Refused("PARAMETER_INVALID", "the body broke off before its end", param="body"))
    except Exception:
        _LOGGER.exception("request %s failed", request_id)
        response = _refuse(request, TrustlogError("INTERNAL_ERROR", "this request met a defect"))
    seconds: float | None = None
    if not response.prepared:
        response.headers.setdefault("X-Request-Id", request_id)
        seconds = time.perf_counter() - began
    metrics_of(request).count_request(request, response.status, seconds)
    connections.note_idle(request.protocol, asyncio.get_running_loop().time())
    return response


def _refuse(request: web.Request, error: TrustlogError) -> web.Response:
    metrics_of(request).count_refusal(error.code)
    return problem_response(error, request[REQUEST_ID])


def _from_aiohttp(request: web.Request, error: web.HTTPException) -> TrustlogError:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return Refused(
            "METHOD_NOT_ALLOWED",
            "this path does not take this method",
            param="method",
            expected=allowed,
            found=request.method,
        )
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return Refused("BODY_TOO_LARGE", "the body is too large", param="body", expected="a smaller body", found=error.text)
    if isinstance(error, web.HTTPUnsupportedMediaType):
        return Refused("CONTENT_TYPE_UNSUPPORTED", "this content type is not taken", param="Content-Type")
    if error.status == 404:
        return Refused(
            "NOT_FOUND", "there is nothing at this path", param="path", expected="see /openapi.json", found=request.path
        )
    if 400 <= error.status < 500:
        return Refused("PARAMETER_INVALID", f"the request is not acceptable: {error.reason}", param="request")
    return TrustlogError("INTERNAL_ERROR", f"the request failed: {error.reason}")
