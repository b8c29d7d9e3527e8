"""Connections and their clients: which wait for a request, and which for a client to take its answer.

aiohttp ends a connection that brings no request, or only a part of its head; what it does not offer is here. An answer that is
not taken has a time-out, and a connection that does nothing gives way to one that might.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler

from trustlog.service.bounds import Bounds

IDLE_BEFORE_GIVING_WAY_S: Final = 1.0  # a connection that was just opened is about to bring a request
TAKEN_LOOK_S: Final = 0.01
UNSENT_BYTES: Final = (
    128 * 1024
)  # that the system holds for a client: it takes more in small steps, so that it is seen to read


@dataclass(slots=True)
class _Answer:
    """An answer on its way: `taken` bytes of it had gone out at `since`, when it was last seen to move."""

    writer: AbstractStreamWriter
    taken: int
    since: float


def bytes_taken(writer: AbstractStreamWriter, transport: asyncio.Transport) -> int:
    """How much of what was written to `writer` the system has taken from us: it takes no more than the client does."""
    return writer.output_size - transport.get_write_buffer_size()


class Connections:
    """The connections of one front end. Lives on one event loop; times are those of its clock."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._idle: dict[RequestHandler, float] = {}  # since when, the longest first
        self._answers: dict[asyncio.Transport, _Answer] = {}

    @property
    def untaken(self) -> int:
        """How many answers wait for their clients to take them."""
        return sum(transport.get_write_buffer_size() > 0 for transport in self._answers)

    async def all_taken(self) -> None:
        """Wait until the clients have taken their answers, or had a moment to: a process that ends takes along what is unsent.

        For the end, when nothing is asked any more and :meth:`look_after` has ended.
        """
        deadline = asyncio.get_running_loop().time() + self._bounds.stall_s
        while self.untaken and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - nobody sets an event for it
            await asyncio.sleep(TAKEN_LOOK_S)

    def note_idle(self, protocol: RequestHandler, now: float) -> None:
        """It was opened, or its request is answered."""
        self._idle.pop(protocol, None)
        self._idle[protocol] = now

    def note_request(self, protocol: RequestHandler) -> None:
        """It brought a request."""
        self._idle.pop(protocol, None)

    async def note_answer(self, request: web.BaseRequest, _response: web.StreamResponse) -> None:
        """An answer begins: a handler of the application's ``on_response_prepare``."""
        transport = request.transport
        if transport is not None:
            now = asyncio.get_running_loop().time()
            answer = self._answers.get(transport)
            if answer is None:
                _bound_unsent(transport)
                self._answers[transport] = _Answer(request.writer, 0, now)
            else:
                answer.writer, answer.taken, answer.since = request.writer, 0, now

    def make_room(self, now: float) -> bool:
        """Close the connection that has been idle the longest, if there is one; whether there was."""
        while self._idle:
            protocol, since = next(iter(self._idle.items()))
            if protocol.connected and now - since < IDLE_BEFORE_GIVING_WAY_S:
                return False
            del self._idle[protocol]
            if protocol.connected:
                protocol.force_close()
                return True
        return False

    def sweep(self, now: float) -> None:
        """Forget what is over, and cut off clients that do not take their answers."""
        for protocol in [each for each in self._idle if not each.connected]:
            del self._idle[protocol]
        for transport, answer in list(self._answers.items()):
            taken = bytes_taken(answer.writer, transport)
            if not transport.get_write_buffer_size():
                if transport.is_closing():
                    del self._answers[transport]
                answer.taken, answer.since = taken, now
            elif taken - answer.taken >= self._bounds.unread_s * self._bounds.rate:
                answer.taken, answer.since = taken, now
            elif now - answer.since >= self._bounds.unread_s:
                del self._answers[transport]
                transport.abort()

    async def look_after(self) -> None:
        """Sweep, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._bounds.sweep_s)
            self.sweep(loop.time())


def _bound_unsent(transport: asyncio.Transport) -> None:
    """Without a bound the system takes megabytes, and then nothing for as long as a slow client needs for the third of them."""
    connected = transport.get_extra_info("socket")
    if connected is not None and connected.family != socket.AF_UNIX and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
