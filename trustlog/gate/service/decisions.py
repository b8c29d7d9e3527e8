"""``POST /v1/decisions``: one request, or several at once. Allow and deny are answers; a problem says that nothing was decided."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from aiohttp import web

from trustlog.errors import Refused
from trustlog.formats.jsontext import parse_json
from trustlog.gate.decision import Decision
from trustlog.gate.identify import GateRequest
from trustlog.gate.service.context import Service, service_of
from trustlog.gate.words import check_words
from trustlog.records.fields import UNSET, Struct, UnsetType, convert_record
from trustlog.service.bodies import read_body
from trustlog.service.context import json_response
from trustlog.service.credentials import check_credential

MAX_DECISIONS: Final = 100  # in one request
MAX_BODY_BYTES: Final = 2 * 1024 * 1024
MAX_WAITING: Final = 2_000  # some seconds of work


class Asked(Struct, frozen=True, kw_only=True):
    """A request, as it comes in. Hashes are base64url."""

    action: str
    ticket: str
    token: str
    audience: str
    nonce: str
    plan_hash_b64u: str | UnsetType = UNSET
    simulation_b64u: str | UnsetType = UNSET
    closing_reason: str | UnsetType = UNSET


async def post_decisions(request: web.Request) -> web.StreamResponse:
    """Decide: an object for an object, an array, in order, for an array."""
    service = service_of(request)
    check_credential(request.headers.get("Authorization"), service.callers)
    if request.content_type != "application/json":
        raise Refused(
            "CONTENT_TYPE_UNSUPPORTED",
            "a request for a decision is JSON",
            param="Content-Type",
            expected="application/json",
            found=request.content_type,
        )
    value = parse_json(await read_body(request, MAX_BODY_BYTES), "body")
    asked = _read(value)
    if service.gate.waiting + len(asked) > MAX_WAITING:
        raise Refused("UNAVAILABLE", "as many requests wait for a decision as are taken", found=service.gate.waiting)
    with service.asking():
        answers = await asyncio.gather(*(_decide(service, one) for one in asked))
    return json_response(answers if isinstance(value, list) else answers[0])


def _read(value: Any) -> list[GateRequest]:
    """The requests of a body; all of them can be read, or none is decided."""
    if not isinstance(value, list):
        return [_read_one(value, "body")]
    if not 1 <= len(value) <= MAX_DECISIONS:
        expected = f"1 to {MAX_DECISIONS} requests"
        raise Refused("PARAMETER_INVALID", "too few or too many", param="body", expected=expected, found=len(value))
    return [_read_one(one, f"body[{position}]") for position, one in enumerate(value)]


def _read_one(value: Any, where: str) -> GateRequest:
    try:
        asked = convert_record(value, Asked, param=where)
    except Refused as refused:
        refused.hint = "Correct that member; /openapi.json says what a request has. Nothing of this body was decided."
        raise
    request = GateRequest(
        action=asked.action,
        ticket=asked.ticket,
        token=asked.token,
        audience=asked.audience,
        nonce=asked.nonce,
        plan_hash=_or_none(asked.plan_hash_b64u),
        simulation=_or_none(asked.simulation_b64u),
        closing_reason=_or_none(asked.closing_reason),
    )
    check_words(request)
    return request


def _or_none(value: str | UnsetType) -> str | None:
    return None if isinstance(value, UnsetType) else value


async def _decide(service: Service, request: GateRequest) -> dict[str, Any]:
    began_s = time.perf_counter()
    decision = await service.answered.answer(request, service.gate.decide, service.gate.repeat)
    service.metrics.count_decision(decision, time.perf_counter() - began_s)
    return answer_of(decision)


def answer_of(decision: Decision) -> dict[str, Any]:
    """The decision as JSON, with its signed record as exact text; None where none was made."""
    return {**decision.answer(), "envelope": None if decision.envelope is None else decision.envelope.decode("utf-8")}
