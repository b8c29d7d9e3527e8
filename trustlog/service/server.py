"""The server process: open the log, listen, answer, stop.

It stops gracefully on SIGINT and SIGTERM: no new connections, answers what it took, exits 0. After a Fatal it stops at once,
says why and what to do, and exits 1. SIGHUP reads ``trust.toml`` again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import msgspec
from aiohttp import web

from trustlog.errors import TrustlogError
from trustlog.log.directory import LogDirectory
from trustlog.log.log import Log
from trustlog.service.app import create_app, make_runner

_LOGGER = logging.getLogger(__name__)


def serve(directory: Path, host: str, port: int) -> int:
    """Serve the log in `directory` until told to stop; the exit code. `port` 0 picks a free one.

    Prints one JSON line ``{"url","vkey","pid"}`` on stdout once it listens, and after a failure one ``error:`` and one
    ``hint:`` line on stderr.
    """
    try:
        asyncio.run(_serve(LogDirectory(directory), host, port))
    except TrustlogError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        print(f"hint: {error.hint or 'see the documentation of this code'}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _serve(directory: LogDirectory, host: str, port: int) -> None:
    log = await Log.open(directory)
    try:
        runner = make_runner(create_app(log))
        await runner.setup()
        try:
            stop = _heed_signals(log)
            await _listen(runner, host, port)
            _announce(runner, log)
            await _until_stopped(log, stop)
        finally:
            await runner.cleanup()
    finally:
        await log.close()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
    except OSError as error:
        raise TrustlogError(
            "UNAVAILABLE",
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="choose another address, or port 0 for any free one",
        ) from error


def _announce(runner: web.AppRunner, log: Log) -> None:
    host, port = runner.addresses[0][:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    line = msgspec.json.encode({"url": url, "vkey": log.vkey, "pid": os.getpid()})
    print(line.decode(), flush=True)  # noqa: T201
    if log.read_only is not None:
        _LOGGER.error("read-only: %s", log.read_only)


def _heed_signals(log: Log) -> asyncio.Event:
    """From now on SIGHUP reloads, and SIGINT and SIGTERM set the event."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    reloads: set[asyncio.Task[None]] = set()  # the loop itself keeps no task alive

    def reload() -> None:
        task = loop.create_task(_reload_trust(log))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    return stop


async def _until_stopped(log: Log, stop: asyncio.Event) -> None:
    """Wait until told to stop, or for the writer to fail (then raises its Fatal)."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, log.writing], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if log.writing.done() and (failure := log.writing.exception()) is not None:
        raise failure


async def _reload_trust(log: Log) -> None:
    try:
        await log.reload_trust()
    except TrustlogError as error:
        _LOGGER.error("trust.toml was not taken, the old one stays in force: %s", error)  # noqa: TRY400
    else:
        _LOGGER.warning("trust.toml was read again: SHA-256 %s", log.trust.sha256.hex())
