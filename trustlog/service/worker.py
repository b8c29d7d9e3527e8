"""A front end's process: one event loop that accepts connections, answers HTTP, and talks to the writer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
from dataclasses import dataclass
from typing import Final, TypeVar

import uvloop
from aiohttp import web

from trustlog.errors import TrustlogError
from trustlog.log.directory import LogDirectory
from trustlog.log.log import Log
from trustlog.log.shared import SharedSlots, Slot
from trustlog.service.app import create_app, make_runner
from trustlog.service.children import end_soon
from trustlog.service.context import CONNECTIONS, METRICS
from trustlog.service.turnaway import Doorstep

TICK_S: Final = 0.1  # how old the numbers are that front ends tell each other
DEFERENCE_S: Final = 0.002  # how long the others get to accept a connection first, if they have fewer
QUIET_S: Final = 60.0  # after a complaint, as long as there is reason for more
MAX_CONNECTIONS: Final = 4096
ORPHANED_S: Final = 0.5  # how long clients may take once the writer is gone: nothing is to be waited for
SPARE_DESCRIPTORS: Final = 128  # databases, sockets of ours

_LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """One of `count` front ends: its number, and what all of them share."""

    number: int
    count: int
    directory: LogDirectory
    listening: socket.socket
    slots: SharedSlots

    @property
    def state(self) -> Slot:
        """What the writer shows."""
        return self.slots.slot(0)

    def load(self, number: int) -> Slot:
        """How many connections front end `number` has open."""
        return self.slots.slot(1 + 2 * number)

    def counters(self, number: int) -> Slot:
        """What front end `number` has counted."""
        return self.slots.slot(2 + 2 * number)


def run_worker(front_end: FrontEnd, connected: socket.socket) -> int:
    """Serve until the writer at the other end of `connected` asks to stop, or is gone; the exit status."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a client that vanishes is no news
    return uvloop.run(_work(front_end, connected))


async def _work(front_end: FrontEnd, connected: socket.socket) -> int:
    try:
        log = await Log.attach(front_end.directory, connected, front_end.state)
    except TrustlogError:  # the first process says why
        return 0
    app = create_app(
        log, peers=[front_end.counters(number) for number in range(front_end.count) if number != front_end.number]
    )
    runner = make_runner(app)
    await runner.setup()
    assert runner.server is not None
    door = _Door(front_end, runner.server, app)
    tasks = [asyncio.create_task(door.accept()), asyncio.create_task(door.tell(log))]
    await asyncio.wait([log.link.stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()  # they never end by themselves
        task.cancel()
    await asyncio.wait(tasks)
    front_end.listening.close()
    door.close()
    if log.link.ended is not None:
        end_soon()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(None if log.link.ended is None else ORPHANED_S):  # else the application's own bound holds
            await runner.cleanup()
            await app[CONNECTIONS].all_taken()
    await log.close()
    return 0


class _Door:
    """Accepts connections, so that every front end has about as many, and no more than it can hold.

    When it is full, the connection that has been idle the longest gives way; if all are busy, the new one is turned away.
    """

    def __init__(self, front_end: FrontEnd, server: web.Server, app: web.Application) -> None:
        self._front_end = front_end
        self._server = server
        self._connections = app[CONNECTIONS]
        self._metrics = app[METRICS]
        self._doorstep = Doorstep()
        self._accepted = 0  # since the last count
        self._counted = 0
        self._quiet_until = 0.0
        self._most = _connection_limit()

    async def accept(self) -> None:
        loop = asyncio.get_running_loop()
        listening = self._front_end.listening
        listening.setblocking(False)
        while True:
            await _readable(listening)
            if self._open() > self._least_of_others():
                await asyncio.sleep(DEFERENCE_S)
            try:
                connected, _ = listening.accept()
            except BlockingIOError:  # somebody else did
                continue
            except OSError as error:
                self._complain("connections cannot be accepted: %s", error.strerror)
                await asyncio.sleep(TICK_S)
                continue
            if self._open() >= self._most and not self._connections.make_room(loop.time()):
                self._complain("connections are turned away: %d are open, and none of them idle", self._open())
                self._metrics.count_refused_connection()
                self._doorstep.turn_away(connected)
                continue
            self._accepted += 1
            self._show()
            accepting = loop.create_task(loop.connect_accepted_socket(self._server, connected))
            _, protocol = await _finish(accepting)
            self._connections.note_idle(protocol, loop.time())

    def close(self) -> None:
        """Let go of those who were turned away."""
        self._doorstep.close()

    async def tell(self, log: Log) -> None:
        """Tell the others, again and again, how many connections are open and what was counted."""
        while True:
            await asyncio.sleep(TICK_S)
            self._accepted, self._counted = 0, len(self._server.connections)
            self._show()
            self._metrics.set_gauge("trustlog_connections", self._counted)
            self._metrics.set_gauge("trustlog_queue_length", log.link.open_entries)
            self._front_end.counters(self._front_end.number).write(self._metrics.encode())

    def _open(self) -> int:
        return self._counted + self._accepted

    def _show(self) -> None:
        self._front_end.load(self._front_end.number).write(self._open().to_bytes(4, "big"))

    def _complain(self, message: str, about: object) -> None:
        """One line, and the next one only when a while has passed without any of it."""
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until:
            _LOGGER.warning(message, about)
        self._quiet_until = now + QUIET_S

    def _least_of_others(self) -> int:
        others = [n for n in range(self._front_end.count) if n != self._front_end.number]
        return min((int.from_bytes(self._front_end.load(n).read(), "big") for n in others), default=1 << 30)


async def _finish(connecting: asyncio.Task[_T]) -> _T:
    """Wait for a connection that is being taken, also when told to stop meanwhile.

    Half of one would be closed under its request, or nobody would end it.
    """
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        await asyncio.wait([connecting])
        raise


async def _readable(listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.add_reader(listening, _resolve, future)
    try:
        await future
    finally:
        loop.remove_reader(listening)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _connection_limit() -> int:
    """How many connections may be open: as many descriptors as the system gives, but for our own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    except (OSError, ValueError):
        pass
    return max(8, min(MAX_CONNECTIONS, soft - SPARE_DESCRIPTORS))
