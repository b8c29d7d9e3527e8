"""Asking a gate that runs as a service: ``POST /v1/decisions``.

What it answers is words. Whoever acts on an allow finds it in the log and judges it again (:mod:`trustlog.change.allow`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from trustlog.client.http import Http
from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u
from trustlog.formats.jsontext import canonicalize, describe, parse_json
from trustlog.gate.identify import GateRequest

MAX_ANSWER_BYTES: Final = 1024 * 1024
MAX_REASONS: Final = 64
VERDICTS: Final = ("allow", "deny")


@dataclass(frozen=True, slots=True)
class ServiceReason:
    """One reason of a deny, in the gate's words."""

    code: str
    detail: str
    hint: str


@dataclass(frozen=True, slots=True)
class ServiceDecision:
    """What a gate's service answered. `decision_b64u` is the payload hash of the logged record; None where none was logged."""

    allow: bool
    reasons: tuple[ServiceReason, ...]
    decision_b64u: str | None
    body: Mapping[str, Any]


async def ask_service(http: Http, request: GateRequest) -> ServiceDecision:
    """The service's answer to one request.

    Raises :class:`Refused`: ``UNAVAILABLE`` (it cannot be reached), ``LOG_RESPONSE_INVALID`` (it answers something else, or
    another question), and what the service says.
    """
    members = {
        "action": request.action,
        "ticket": request.ticket,
        "token": request.token,
        "plan_hash_b64u": request.plan_hash,
        "simulation_b64u": request.simulation,
        "closing_reason": request.closing_reason,
        "audience": request.audience,
        "nonce": request.nonce,
    }
    body = canonicalize({name: value for name, value in members.items() if value is not None})
    try:
        reply = await http.post("v1/decisions", body, media_type="application/json", max_bytes=MAX_ANSWER_BYTES)
    except Refused as refused:
        if refused.code != "LOG_UNREACHABLE":
            raise
        detail = f"the gate at {http.url} was not reached: {refused.detail.rpartition(': ')[2]}"
        hint = "check --gate, and that trustlog gate serve runs there; asking again with another nonce is safe"
        raise Refused("UNAVAILABLE", detail, param="gate", hint=hint) from None
    return read_answer(reply.body, request)


def read_answer(body: bytes, request: GateRequest) -> ServiceDecision:
    """The decision in an answer, if it is one to this `request`; ``LOG_RESPONSE_INVALID``."""
    value = parse_json(body, "decision")
    if not isinstance(value, dict) or value.get("decision") not in VERDICTS:
        raise _invalid(
            "decision", " or ".join(VERDICTS), describe(value.get("decision") if isinstance(value, dict) else value)
        )
    for name in ("action", "ticket", "audience", "nonce"):
        if value.get(name) != getattr(request, name):
            raise _invalid(name, str(getattr(request, name)), describe(value.get(name)))
    allow = value["decision"] == "allow"
    reasons = value.get("reasons")
    if not isinstance(reasons, list) or len(reasons) > MAX_REASONS or bool(reasons) == allow:
        raise _invalid("reasons", "none for an allow, at least one for a deny", describe(reasons))
    logged = value.get("decision_b64u")
    if logged is not None:
        decode_b64u(logged if isinstance(logged, str) else "", 32, "decision_b64u")
    return ServiceDecision(allow, tuple(_reason(one) for one in reasons), logged, value)


def _reason(value: object) -> ServiceReason:
    members = value if isinstance(value, dict) else {}
    texts = [members.get(name) for name in ("code", "detail", "hint")]
    if not all(isinstance(text, str) for text in texts):
        raise _invalid("reasons", "code, detail and hint as text", describe(value))
    return ServiceReason(*map(str, texts))


def _invalid(param: str, expected: str, found: str) -> Refused:
    detail = "the gate's answer is not an answer to what was asked"
    hint = "check that --gate names a gate's service, and its version"
    return Refused("LOG_RESPONSE_INVALID", detail, param=param, expected=expected, found=found, hint=hint)
