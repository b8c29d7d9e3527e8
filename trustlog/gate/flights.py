"""Submissions under way: a gate reads and judges on while the log stores, signs and publishes what it was sent before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from trustlog.gate.asked import Sent
from trustlog.gate.decision import ViewOfLog
from trustlog.gate.failing import Failing
from trustlog.gate.sending import Sending

MAX_FLIGHTS: Final = 2  # the log stores one while another is sent: more would only make each smaller
PATIENCE_S: Final = 0.25  # what needs longer waits for others; until then what comes goes together, which costs less


@dataclass(frozen=True, slots=True)
class _Flight:
    """Records on their way, and the task that gives those which the log says it has."""

    sent: Sequence[Sent]
    task: asyncio.Task[list[Sent]]


class Flights:
    """What was sent to the log and not answered yet. `on_landing` is called when something was, or more may be sent."""

    def __init__(self, sending: Sending, failing: Failing, *, within_s: float, on_landing: Callable[[], object]) -> None:
        self._sending = sending
        self._failing = failing
        self._within_s = within_s
        self._on_landing = on_landing
        self._flights: list[_Flight] = []
        self._patience: asyncio.TimerHandle | None = None  # since the last launch, until it ends

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def is_full(self) -> bool:
        """Whether nothing more is to be sent until something has landed."""
        return len(self._flights) >= MAX_FLIGHTS or (self._patience is not None and bool(self._flights))

    @property
    def has_landed(self) -> bool:
        """Whether some of it was answered."""
        return any(flight.task.done() for flight in self._flights)

    @property
    def jobs(self) -> frozenset[str | None]:
        """The jobs that have an allow on its way: of one job there is never another."""
        return frozenset(one.judged.job_id for one in self._allows())

    @property
    def allows(self) -> frozenset[str]:
        """The allows on their way, by payload hash."""
        return frozenset(one.sealed.payload_hash for one in self._allows())

    def launch(self, to_send: Sequence[Sent], seen: ViewOfLog, at_ns: int) -> None:
        """Send records that were judged on the view `seen` at `at_ns`."""
        task = asyncio.create_task(self._fly(to_send, seen, at_ns), name="records of the gate")
        task.add_done_callback(lambda _: self._on_landing())
        self._flights.append(_Flight(to_send, task))
        if self._patience is not None:
            self._patience.cancel()
        self._patience = asyncio.get_running_loop().call_later(PATIENCE_S, self._lose_patience)

    def land(self) -> list[Sent]:
        """Every record that the log says it has by now: whoever reads from here on finds it there."""
        landed = [flight for flight in self._flights if flight.task.done()]
        self._flights = [flight for flight in self._flights if flight not in landed]
        return [one for flight in landed for one in flight.task.result()]

    def _lose_patience(self) -> None:
        self._patience = None
        if self._flights:
            self._on_landing()

    async def _fly(self, to_send: Sequence[Sent], seen: ViewOfLog, at_ns: int) -> list[Sent]:
        """Never raises: what it fails for answers those who wait."""
        try:
            async with asyncio.timeout(self._within_s):
                return await self._sending.send(to_send, seen, at_ns)
        except Exception as error:  # noqa: BLE001 - a gate that breaks must not open
            finding = self._failing.finding(error)
            for one in to_send:  # it may be logged all the same, and is settled
                one.asked.give(self._failing.deny(one.asked.request, finding))
            return []

    def _allows(self) -> list[Sent]:
        return [one for flight in self._flights for one in flight.sent if one.sealed.judgement.allow]
