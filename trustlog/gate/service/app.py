"""The gate's application: every route in one table, and what goes on while it is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from trustlog.gate.service import decisions, health, openapi, restrictions
from trustlog.gate.service.context import SERVICE, Service
from trustlog.gate.service.hints import say_next_step
from trustlog.service.app import look_after_connections
from trustlog.service.bounds import DEFAULT_BOUNDS, Bounds
from trustlog.service.connections import Connections
from trustlog.service.context import CONNECTIONS, METRICS, REQUEST_IDS, UPLOADS
from trustlog.service.problems import answer_problems
from trustlog.service.requestids import RequestIds
from trustlog.service.uploads import Uploads

WARM_S: Final = 1.0  # how old the view may become while nobody asks
AHEAD_S: Final = 0.05  # while there are jobs to read ahead
RESEND_S: Final = 1.0  # the first pause between two tries to log a restriction
LONGEST_RESEND_S: Final = 15.0


def create_gate_app(service: Service, *, bounds: Bounds = DEFAULT_BOUNDS) -> web.Application:
    """The service of a gate that was started; the gate stays the caller's to close."""
    app = web.Application(middlewares=[answer_problems, say_next_step], client_max_size=decisions.MAX_BODY_BYTES)
    app[SERVICE] = service
    app[REQUEST_IDS] = RequestIds()
    app[METRICS] = service.metrics
    app[UPLOADS] = uploads = Uploads(bounds)
    app[CONNECTIONS] = connections = Connections(bounds)
    app.on_response_prepare.append(connections.note_answer)
    app.on_shutdown.append(uploads.stop)
    app.cleanup_ctx.extend([look_after_connections, _keep_warm, _keep_sending])
    app.add_routes(
        [
            web.post("/v1/decisions", decisions.post_decisions),
            web.post("/v1/restrictions", restrictions.post_restriction),
            web.get("/healthz", health.get_health),
            web.get("/readyz", health.get_readiness),
            web.get("/metrics", health.get_metrics),
            web.get("/openapi.json", openapi.get_openapi),
        ]
    )
    return app


async def _keep_warm(app: web.Application) -> AsyncIterator[None]:
    service = app[SERVICE]

    async def read() -> None:
        while True:
            if service.is_changing:
                await asyncio.sleep(AHEAD_S)
                continue
            caught_up_s = service.gate.caught_up_s
            if caught_up_s is None or service.clock() - caught_up_s >= WARM_S or service.gate.nearing:
                await service.gate.catch_up()
            await asyncio.sleep(AHEAD_S if service.gate.nearing and service.gate.trouble is None else WARM_S)

    async for _ in _beside(read(), "keep the view warm"):
        yield


async def _keep_sending(app: web.Application) -> AsyncIterator[None]:
    service = app[SERVICE]

    async def send() -> None:
        pause_s = RESEND_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_RESEND_S) if len(service.gate.restrictions) else RESEND_S
            if not service.is_changing:
                await service.gate.restrictions.send()

    async for _ in _beside(send(), "log what was handed in"):
        yield


async def _beside(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run `work` while the application serves. It never ends by itself: if it does, that is an error when the service ends."""
    task = asyncio.create_task(work, name=name)
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
