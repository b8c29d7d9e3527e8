"""What the gate's handlers find on their application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.answered import Answered
from trustlog.gate.gate import Gate
from trustlog.gate.service.metrics import GateMetrics


@dataclass(frozen=True, slots=True)
class Service:
    """One gate as it is served. `callers` are SHA-256 values of bearer tokens; none means that none is asked for.

    `clock` is monotonic, in seconds.
    """

    gate: Gate
    trust: TrustPolicy
    did: str
    answered: Answered
    metrics: GateMetrics
    callers: frozenset[bytes]
    clock: Callable[[], float]


SERVICE: Final = web.AppKey("gate_service", Service)


def service_of(request: web.Request) -> Service:
    """What is served."""
    return request.app[SERVICE]
