"""Requests on many connections at once, in one thread: each connection has one under way, and then takes the next."""

from __future__ import annotations

import selectors
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from trustlog.bench.answer import Answer
from trustlog.bench.wire import Connection, unreachable
from trustlog.errors import Refused

REQUEST_TIMEOUT_S: Final = 60.0
_TICK_S: Final = 0.5  # how often time-outs are looked for


@dataclass(frozen=True, slots=True)
class Request:
    """A request ready to send; `what` is for its source to know it again."""

    head: bytes
    body: bytes | memoryview
    what: Any


class Source(Protocol):
    """Where requests come from and answers go. Times are those of ``time.perf_counter``, in seconds."""

    def take(self, now_s: float) -> Request | float | None:
        """The next request; or the time at which to ask again; or None: there are no more."""

    def answered(self, request: Request, answer: Answer, sent_s: float, now_s: float) -> None:
        """A whole answer came."""

    def failed(self, request: Request, refusal: Refused) -> None:
        """The connection is over; whether the request was heeded is unknown."""


@dataclass(slots=True, eq=False)
class _Lane:
    """A connection, and the request that is under way on it, if one is."""

    connection: Connection
    request: Request | None = None
    sent_s: float = 0.0
    waits_to_send: bool = False


def exchange(connections: Sequence[Connection], source: Source) -> None:
    """Send all that `source` has. A connection that fails takes no more requests; it ends when there is nothing to do."""
    with selectors.DefaultSelector() as selector:
        loop = _Loop([_Lane(connection) for connection in connections], source, selector)
        while loop.fill():
            loop.wait()
    for connection in connections:
        connection.close()


class _Loop:
    def __init__(self, lanes: list[_Lane], source: Source, selector: selectors.BaseSelector) -> None:
        self._idle = lanes
        self._busy = 0
        self._source = source
        self._selector = selector
        self._ask_again_s: float | None = None
        self._looked_s = 0.0
        for lane in lanes:  # once: the system is told again only where a request does not go out at once
            selector.register(lane.connection, selectors.EVENT_READ, lane)

    def fill(self) -> bool:
        """Give idle connections requests; whether anything is left to wait for."""
        self._ask_again_s = None
        while self._idle:
            now_s = time.perf_counter()
            taken = self._source.take(now_s)
            if isinstance(taken, float):
                self._ask_again_s = taken
                break
            if taken is None:
                break
            self._begin(self._idle.pop(), taken, now_s)
        return self._busy > 0 or self._ask_again_s is not None

    def wait(self) -> None:
        """Wait for sockets, or until it is time to ask again."""
        now_s = time.perf_counter()
        timeout = _TICK_S if self._ask_again_s is None else max(0.0, min(_TICK_S, self._ask_again_s - now_s))
        for key, _ in self._selector.select(timeout):
            self._advance(key.data)
        if now_s - self._looked_s > _TICK_S:
            self._looked_s = now_s
            lanes: list[_Lane] = [key.data for key in self._selector.get_map().values()]
            for lane in lanes:
                if lane.request is not None and now_s - lane.sent_s > REQUEST_TIMEOUT_S:
                    self._fail(lane, unreachable(f"no whole answer within {REQUEST_TIMEOUT_S:g} s"))

    def _begin(self, lane: _Lane, request: Request, now_s: float) -> None:
        lane.request, lane.sent_s = request, now_s
        self._busy += 1
        try:
            lane.connection.begin(request.head, request.body)
        except Refused as refusal:
            self._fail(lane, refusal)
        else:
            self._heed(lane)

    def _advance(self, lane: _Lane) -> None:
        try:
            answer = lane.connection.advance()
        except Refused as refusal:
            self._fail(lane, refusal)
            return
        if answer is None:
            self._heed(lane)
            return
        now_s = time.perf_counter()
        request, sent_s = lane.request, lane.sent_s
        assert request is not None
        lane.request = None
        self._busy -= 1
        taken = self._source.take(now_s)  # the log works on the next while this answer is judged
        if isinstance(taken, Request):
            self._begin(lane, taken, now_s)
        else:
            self._idle.append(lane)
        self._source.answered(request, answer, sent_s, now_s)

    def _heed(self, lane: _Lane) -> None:
        """Wait for room as long as there is something to send, and not longer."""
        if lane.connection.sends != lane.waits_to_send:
            lane.waits_to_send = lane.connection.sends
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if lane.waits_to_send else 0)
            self._selector.modify(lane.connection, events, lane)

    def _fail(self, lane: _Lane, refusal: Refused) -> None:
        self._selector.unregister(lane.connection)
        lane.connection.close()
        if lane.request is None:  # it was idle, and nothing is lost
            self._idle.remove(lane)
            return
        self._busy -= 1
        self._source.failed(lane.request, refusal)
