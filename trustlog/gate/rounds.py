"""Decisions are made in rounds, one after the other, as long as anybody waits for one.

A round first reads up to the log's checkpoint of now, which shows what the log took before the round began: that is released, or
withdrawn. On the same view it judges what was asked before it began to read, and sends what is to be logged in one request. So
however many ask at once, they share one reading and one submission, and each is decided on a checkpoint that was fetched after it
asked.

A round does not wait for the log to take what it sends: where that takes long, the next one reads and judges meanwhile. Of one
job there is never more than one allow on its way; what is asked for the same job waits until that has landed, and is judged on
what it made.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from trustlog.gate.asked import Asked, Judged, Sent
from trustlog.gate.decision import ViewOfLog
from trustlog.gate.failing import Failing
from trustlog.gate.flights import Flights
from trustlog.gate.follow import Reading
from trustlog.gate.freshness import Freshness
from trustlog.gate.hearing import Case, Hearing
from trustlog.gate.kept_view import KeptView
from trustlog.gate.releasing import Releasing
from trustlog.gate.sending import Sending
from trustlog.gate.withdrawing import Withdrawing

READ_AHEAD: Final = 4  # jobs a round, while nobody asks
MAX_ROUND: Final = 32  # decisions: more would make the first wait for the last


@dataclass(frozen=True, slots=True)
class Steps:
    """What a round does, in this order."""

    freshness: Freshness
    releasing: Releasing
    withdrawing: Withdrawing
    hearing: Hearing
    sending: Sending


class Rounds:
    """The rounds of one gate, on one event loop. A round that takes longer than `within_s` is given up."""

    def __init__(
        self,
        steps: Steps,
        reading: Reading,
        kept: KeptView | None,
        *,
        failing: Failing,
        clock: Callable[[], int],
        within_s: float,
    ) -> None:
        self._steps = steps
        self._reading = reading
        self._kept = kept
        self._failing = failing
        self._clock = clock
        self._within_s = within_s
        self._queue: deque[Asked] = deque()
        self._postponed: list[Asked] = []  # until something has landed
        self._readers: list[asyncio.Future[None]] = []  # those who wait for the next round
        self._flights = Flights(steps.sending, failing, within_s=within_s, on_landing=self._wake)
        self._running: asyncio.Task[None] | None = None
        self._news: asyncio.Future[None] | None = None  # set while there is nothing to be done

    @property
    def waiting(self) -> int:
        """How many requests wait for a round."""
        return len(self._queue) + len(self._postponed)

    def ask(self, asked: Asked) -> None:
        """Have a request decided in a round that has not begun."""
        self._queue.append(asked)
        self._wake()

    async def read(self) -> None:
        """Wait for the end of a round that has not begun."""
        read: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._readers.append(read)
        self._wake()
        await asyncio.wait({read})

    async def close(self) -> None:
        """Wait for the end of the round under way, and of those that are to follow it."""
        if self._running is not None:
            await asyncio.wait({self._running})

    def _wake(self) -> None:
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="rounds of the gate")
        elif self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _run(self) -> None:
        while self._queue or self._readers or self._flights:
            if self._readers or self._flights.has_landed or (self._queue and not self._flights.is_full):
                await self._try_round()
            else:
                self._news = asyncio.get_running_loop().create_future()
                await self._news

    async def _try_round(self) -> None:
        """One round; what it fails for answers all that it was about."""
        readers, self._readers = self._readers, []
        sent, taken = self._land(), self._take()
        try:
            async with asyncio.timeout(self._within_s):
                await self._round(sent, taken)
        except Exception as error:  # noqa: BLE001 - a gate that breaks must not open
            finding = self._failing.finding(error)
            for asked in (*(one.asked for one in sent), *taken):
                asked.give(self._failing.deny(asked.request, finding))
        for reader in readers:
            if not reader.done():
                reader.set_result(None)

    def _land(self) -> list[Sent]:
        if self._flights.has_landed:
            self._queue.extendleft(reversed(self._postponed))
            self._postponed = []
        return self._flights.land()

    def _take(self) -> list[Asked]:
        taken: list[Asked] = []
        while self._queue and len(taken) < MAX_ROUND and not self._flights.is_full:
            asked = self._queue.popleft()
            if not asked.is_over:
                taken.append(asked)
        return taken

    async def _round(self, sent: Sequence[Sent], taken: Sequence[Asked]) -> None:
        steps = self._steps
        seen = await steps.freshness.catch_up()
        withdraw = [*(await steps.releasing.release(sent)), *steps.withdrawing.settle(self._flights.allows)]
        if withdraw:
            seen = await steps.withdrawing.withdraw(withdraw, seen)
        cases = await asyncio.gather(*(self._prepare(asked, seen) for asked in taken))
        at_ns = self._clock()  # nothing is waited for until all are judged: what is handed in before an answer counts
        judged = [one for case in cases if case is not None and (one := self._judge(case, at_ns)) is not None]
        sorted_ = steps.sending.sort(judged, seen, at_ns, busy=self._flights.jobs)
        self._postponed += sorted_.postponed
        if sorted_.to_send:
            self._flights.launch(sorted_.to_send, seen, at_ns)
        if not taken and not sent and not self._queue:
            await self._reading.read_ahead(READ_AHEAD)
        if self._kept is not None:
            self._kept.commit()

    async def _prepare(self, asked: Asked, seen: ViewOfLog) -> Case | None:
        """One request that breaks the gate is denied, and no other."""
        try:
            return await self._steps.hearing.prepare(asked, seen)
        except Exception as error:  # noqa: BLE001 - as said
            asked.give(self._failing.deny(asked.request, self._failing.finding(error)))
            return None

    def _judge(self, case: Case, at_ns: int) -> Judged | None:
        try:
            return self._steps.hearing.judge(case, at_ns)
        except Exception as error:  # noqa: BLE001 - as above
            case.asked.give(self._failing.deny(case.asked.request, self._failing.finding(error)))
            return None
