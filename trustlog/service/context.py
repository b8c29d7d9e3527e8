"""What handlers find on the application and on a request, and the small things that most of them need."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec
from aiohttp import web

from trustlog.errors import Refused
from trustlog.log.log import Log
from trustlog.service.answers import AnswerWriter
from trustlog.service.connections import Connections
from trustlog.service.metrics import Metrics
from trustlog.service.requestids import RequestIds
from trustlog.service.uploads import Uploads

BuildEvidence: TypeAlias = Callable[[Log, Mapping[str, str]], Awaitable[bytes]]
"""Builds the evidence pack that a query asks for. Raises TrustlogError."""

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOG: Final = web.AppKey("log", Log)
ANSWERS: Final = web.AppKey("answers", AnswerWriter)
METRICS: Final = web.AppKey("metrics", Metrics)
CONNECTIONS: Final = web.AppKey("connections", Connections)
UPLOADS: Final = web.AppKey("uploads", Uploads)
REQUEST_IDS: Final = web.AppKey("request_ids", RequestIds)
REQUEST_ID: Final = web.RequestKey("request_id", str)

_DECIMAL: Final = re.compile("0|[1-9][0-9]{0,17}")

IMMUTABLE: Final = "public, max-age=31536000, immutable"
SHORT: Final = "public, max-age=2"
UNCACHED: Final = "no-store"


def log_of(request: web.Request) -> Log:
    """The log that is served."""
    return request.app[LOG]


def metrics_of(request: web.Request) -> Metrics:
    """The application's counters."""
    return request.app[METRICS]


def json_response(value: Any, *, status: int = 200, cache: str = UNCACHED) -> web.Response:
    """A JSON answer."""
    body = msgspec.json.encode(value)
    return web.Response(status=status, body=body, content_type="application/json", headers={"Cache-Control": cache})


def read_query(request: web.Request, *names: str) -> dict[str, str]:
    """The query's members: only `names`, each at most once, none empty. Raises Refused(PARAMETER_INVALID)."""
    query: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in names:
            raise parameter_invalid(name, "an unknown parameter", expected=", ".join(names) or "none", found=name)
        if name in query or not value:
            raise parameter_invalid(name, "a parameter is empty or given twice", expected="one value", found=value)
        query[name] = value
    return query


def read_number(text: str, param: str, *, most: int | None = None) -> int:
    """A decimal number without leading zeros, at most `most`. Raises Refused(PARAMETER_INVALID)."""
    limit = "" if most is None else f", at most {most}"
    if not _DECIMAL.fullmatch(text) or (most is not None and int(text) > most):
        raise parameter_invalid(param, "not a number that is possible here", expected=f"a decimal number{limit}", found=text)
    return int(text)


def parameter_invalid(param: str, detail: str, *, expected: str, found: object) -> Refused:
    """The refusal of a query parameter or of a part of a path."""
    return Refused("PARAMETER_INVALID", detail, param=param, expected=expected, found=found)
