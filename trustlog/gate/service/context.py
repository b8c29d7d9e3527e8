"""What the gate's handlers find on their application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from trustlog.errors import Refused
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.answered import Answered
from trustlog.gate.gate import Gate
from trustlog.gate.service.metrics import GateMetrics


@dataclass(slots=True)
class Service:
    """One gate as it is served. `callers` are SHA-256 values of bearer tokens; none means that none is asked for.

    `clock` is monotonic, in seconds. `gate`, `trust` and `answered` change together, while :attr:`is_changing` is true and nothing
    is under way.
    """

    gate: Gate
    trust: TrustPolicy
    did: str
    answered: Answered
    metrics: GateMetrics
    callers: frozenset[bytes]
    clock: Callable[[], float]
    is_changing: bool = False
    under_way: int = 0
    _idle: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While the gate is asked something. Raises Refused (``UNAVAILABLE``) while it changes."""
        self.check_not_changing()
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1
            self._idle.set()

    async def wait_until_idle(self) -> None:
        """Until nothing is under way; while :attr:`is_changing` is true nothing more comes."""
        while self.under_way:
            self._idle.clear()
            await self._idle.wait()

    def check_not_changing(self) -> None:
        """Check that the gate is one that answers (``UNAVAILABLE``)."""
        if self.is_changing:
            detail = "a changed trust policy is being taken up: all that was read is judged again"
            hint = "ask again after Retry-After; nothing was decided, and nothing was taken"
            raise Refused("UNAVAILABLE", detail, expected="one trust policy at a time", found="a change of it", hint=hint)


SERVICE: Final = web.AppKey("gate_service", Service)


def service_of(request: web.Request) -> Service:
    """What is served."""
    return request.app[SERVICE]
