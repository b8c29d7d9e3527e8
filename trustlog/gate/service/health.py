"""Is the gate up, does it see the log, how does it do."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from trustlog.errors import Refused
from trustlog.gate.restrictions import Waiting
from trustlog.gate.service.context import Service, service_of
from trustlog.gate.service.restrictions import what_of
from trustlog.policy.rules.whole import AFTER_A_LIE
from trustlog.service.context import json_response
from trustlog.service.metrics import CONTENT_TYPE

READY_AGE_S: Final = 15.0


async def get_health(_request: web.Request) -> web.StreamResponse:
    """The process answers."""
    return json_response({"status": "ok"})


async def get_readiness(request: web.Request) -> web.StreamResponse:
    """The gate has read the log up to a checkpoint of a moment ago; 503 with the reason if it has not, or if the log lies."""
    service = service_of(request)
    service.check_not_changing()
    gate, age_s = service.gate, _age_s(service)
    if gate.trouble is not None or age_s is None or age_s > READY_AGE_S:
        why = "it is still being read" if gate.trouble is None else f"{gate.trouble.code}: {gate.trouble.found}"
        found = f"{gate.view.size} entries, read {'never' if age_s is None else f'{age_s:.0f} s ago'}"
        detail = f"the gate does not see the log as it is now: {why}"
        raise Refused("UNAVAILABLE", detail, expected=f"a view of at most {READY_AGE_S:g} s ago", found=found)
    if gate.view.lies:
        detail = (
            f"LOG_LIES: the gate denies everything, for {len(gate.view.lies)} of the log's entries are not what they say"
        )
        expected, found = "a log whose entries are what their payloads say", gate.view.lies[0].what
        raise Refused("UNAVAILABLE", detail, param="log", expected=expected, found=found, hint=AFTER_A_LIE)
    return json_response(
        {
            "status": "ready",
            "origin": service.trust.origin,
            "did": service.did,
            "view_size": gate.view.size,
            "view_age_s": round(age_s, 3),
            "restrictions_pending": len(gate.restrictions),
            "restrictions_refused": gate.restrictions.refused,
            "restrictions": [_describe(waiting) for waiting in gate.restrictions.waiting()],
            "unreleased": gate.unreleased,
            "trust_policy_sha256": service.trust.sha256.hex(),
        }
    )


async def get_metrics(request: web.Request) -> web.StreamResponse:
    """Counters, gauges and how long decisions took."""
    service = service_of(request)
    age_s = _age_s(service)
    text = service.metrics.render_gate(
        {
            "trustlog_gate_view_size": service.gate.view.size,
            "trustlog_gate_view_age_seconds": -1 if age_s is None else age_s,
            "trustlog_gate_waiting": service.gate.waiting,
            "trustlog_gate_restrictions_pending": len(service.gate.restrictions),
            "trustlog_gate_restrictions_refused": service.gate.restrictions.refused,
            "trustlog_gate_log_lies": len(service.gate.view.lies),
            "trustlog_gate_unreleased": service.gate.unreleased,
        }
    )
    return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})


def _describe(waiting: Waiting) -> dict[str, Any]:
    one = waiting.candidate
    return {"kind": one.kind.name, "payload_hash_b64u": one.payload_hash_b64u, **what_of(waiting)}


def _age_s(service: Service) -> float | None:
    caught_up_s = service.gate.caught_up_s
    return None if caught_up_s is None else service.clock() - caught_up_s
