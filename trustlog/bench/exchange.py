"""Requests on many connections at once, in one thread: each connection has one under way, and then takes the next."""

from __future__ import annotations

import selectors
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from trustlog.bench.wire import Answer, Connection, unreachable
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


@dataclass(slots=True)
class _UnderWay:
    connection: Connection
    request: Request
    sent_s: float
    waits_to_send: bool = False


def exchange(connections: Sequence[Connection], source: Source) -> None:
    """Send all that `source` has. A connection that fails takes no more requests; it ends when there is nothing to do."""
    with selectors.DefaultSelector() as selector:
        loop = _Loop(list(connections), source, selector)
        while loop.fill():
            loop.wait()
        for connection in loop.idle:
            connection.close()


class _Loop:
    def __init__(self, idle: list[Connection], source: Source, selector: selectors.BaseSelector) -> None:
        self.idle = idle
        self._source = source
        self._selector = selector
        self._under_way: dict[int, _UnderWay] = {}
        self._ask_again_s: float | None = None
        self._looked_s = 0.0

    def fill(self) -> bool:
        """Give idle connections requests; whether anything is left to wait for."""
        self._ask_again_s = None
        while self.idle:
            now_s = time.perf_counter()
            taken = self._source.take(now_s)
            if isinstance(taken, float):
                self._ask_again_s = taken
                break
            if taken is None:
                break
            self._begin(self.idle.pop(), taken, now_s)
        return bool(self._under_way) or self._ask_again_s is not None

    def wait(self) -> None:
        """Wait for sockets, or until it is time to ask again."""
        now_s = time.perf_counter()
        timeout = _TICK_S if self._ask_again_s is None else max(0.0, min(_TICK_S, self._ask_again_s - now_s))
        for key, _ in self._selector.select(timeout):
            self._advance(key.data)
        if now_s - self._looked_s > _TICK_S:
            self._looked_s = now_s
            for under_way in [each for each in self._under_way.values() if now_s - each.sent_s > REQUEST_TIMEOUT_S]:
                self._fail(under_way, unreachable(f"no whole answer within {REQUEST_TIMEOUT_S:g} s"))

    def _begin(self, connection: Connection, request: Request, now_s: float) -> None:
        under_way = _UnderWay(connection, request, now_s)
        self._under_way[connection.fileno()] = under_way
        self._selector.register(connection, selectors.EVENT_READ, under_way)
        try:
            connection.begin(request.head, request.body)
        except Refused as refusal:
            self._fail(under_way, refusal)
        else:
            self._heed(under_way)

    def _advance(self, under_way: _UnderWay) -> None:
        try:
            answer = under_way.connection.advance()
        except Refused as refusal:
            self._fail(under_way, refusal)
            return
        if answer is None:
            self._heed(under_way)
            return
        now_s = time.perf_counter()
        self._leave(under_way)
        taken = self._source.take(now_s)  # the log works on the next while this answer is judged
        if isinstance(taken, Request):
            self._begin(under_way.connection, taken, now_s)
        else:
            self.idle.append(under_way.connection)
        self._source.answered(under_way.request, answer, under_way.sent_s, now_s)

    def _heed(self, under_way: _UnderWay) -> None:
        """Wait for room as long as there is something to send, and not longer."""
        if under_way.connection.sends != under_way.waits_to_send:
            under_way.waits_to_send = under_way.connection.sends
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if under_way.waits_to_send else 0)
            self._selector.modify(under_way.connection, events, under_way)

    def _fail(self, under_way: _UnderWay, refusal: Refused) -> None:
        self._leave(under_way)
        under_way.connection.close()
        self._source.failed(under_way.request, refusal)

    def _leave(self, under_way: _UnderWay) -> None:
        self._selector.unregister(under_way.connection)
        del self._under_way[under_way.connection.fileno()]
