"""The gate's process: one event loop that follows the log, decides, and answers HTTP."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
from contextlib import suppress
from typing import Final

import uvloop
from aiohttp import web

from trustlog.client.http import open_session
from trustlog.errors import TrustlogError
from trustlog.gate.service.app import create_gate_app
from trustlog.gate.service.running import GateSettings, RunningGate
from trustlog.service.app import make_runner

GARBAGE_THRESHOLD: Final = 20_000


def serve_gate(settings: GateSettings) -> None:
    """Serve until SIGTERM or SIGINT; what was asked by then is answered first. Raises TrustlogError if it cannot go on.

    Prints one JSON line ``{"url","did","origin","pid"}`` on stdout once it listens. SIGHUP reads the trust policy again; one that
    comes during the start waits for its end.
    """
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a client that vanishes is no news
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    uvloop.run(_serve(settings))


async def _serve(settings: GateSettings) -> None:
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
    async with open_session() as session:
        running = await RunningGate.open(settings, session)
        try:
            await _run(running, settings)
        finally:
            await running.close()


async def _run(running: RunningGate, settings: GateSettings) -> None:
    stop, reread = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reread.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    runner = make_runner(create_gate_app(running.service))
    await runner.setup()
    stopping = asyncio.ensure_future(stop.wait())
    rereading = asyncio.ensure_future(_reread(running, reread, stop))
    try:
        await _listen(runner, settings)
        await asyncio.wait({stopping, rereading}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not running.service.is_changing:  # else it is a matter of moments, or has failed
            rereading.cancel()
        await runner.cleanup()
    with suppress(asyncio.CancelledError):
        await rereading


async def _reread(running: RunningGate, asked: asyncio.Event, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await asked.wait()
        asked.clear()
        await running.reload_trust()


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
