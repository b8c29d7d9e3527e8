"""The gate's process: one event loop that follows the log, decides, and answers HTTP."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop
from aiohttp import web

from trustlog.client.http import open_session
from trustlog.client.log import LogClient
from trustlog.errors import TrustlogError
from trustlog.formats.envelope import Signer
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.answered import Answered
from trustlog.gate.gate import Gate
from trustlog.gate.kept_view import KeptView
from trustlog.gate.service.app import create_gate_app
from trustlog.gate.service.context import Service
from trustlog.gate.service.metrics import GateMetrics
from trustlog.service.app import make_runner

ANSWER_WITHIN_S: Final = 10.0  # a deny LOG_UNREACHABLE by then
LOG_TIMEOUT_S: Final = 5.0  # of one request to the log
GARBAGE_THRESHOLD: Final = 20_000


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What a gate is served with. `callers` are SHA-256 values of bearer tokens; `log_credential` is the gate's own at the log."""

    signer: Signer
    trust: TrustPolicy
    log_url: str
    state: Path
    host: str
    port: int
    log_credential: str | None = None
    callers: frozenset[bytes] = frozenset()
    adopt_trust: bool = False


def serve_gate(settings: GateSettings) -> None:
    """Serve until SIGTERM or SIGINT; what was asked by then is answered first. Raises TrustlogError if it cannot start.

    Prints one JSON line ``{"url","did","origin","pid"}`` on stdout once it listens.
    """
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a client that vanishes is no news
    uvloop.run(_serve(settings))


async def _serve(settings: GateSettings) -> None:
    kept = KeptView.open(settings.state, settings.trust, adopt_trust=settings.adopt_trust)
    try:
        async with open_session() as session:
            client = LogClient(
                settings.log_url,
                settings.trust,
                session,
                credential=settings.log_credential,
                memory=kept.memory,
                timeout_s=LOG_TIMEOUT_S,
            )
            gate = Gate(client, settings.signer, kept=kept, answer_within_s=ANSWER_WITHIN_S)
            answered = Answered(time.time_ns)
            for digest, decision in (await gate.start()).items():
                answered.restore(digest, decision)
            gc.freeze()  # what was read stays: no collection needs to look at it again
            gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
            metrics = GateMetrics()
            did = settings.signer.did
            service = Service(gate, settings.trust, did, answered, metrics, settings.callers, time.monotonic)
            await _run(service, settings)
            await gate.close()
    finally:
        kept.close()


async def _run(service: Service, settings: GateSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = make_runner(create_gate_app(service))
    await runner.setup()
    try:
        await _listen(runner, settings)
        await stop.wait()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: GateSettings) -> None:
    site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
    try:
        await site.start()
    except OSError as error:
        raise TrustlogError(
            "UNAVAILABLE",
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}",
            hint="choose another address, or port 0 for any free one",
        ) from None
    host, port = runner.addresses[0][:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    said = {"url": url, "did": settings.signer.did, "origin": settings.trust.origin, "pid": os.getpid()}
    print(json.dumps(said), flush=True)  # noqa: T201 - for whoever started it
