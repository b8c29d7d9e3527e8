"""The gate's shell: follow the log, judge, log the decision, and release an allow only when the log carries it.

An allow is a log entry first. It is released only when it is included under a checkpoint consistent with the view that it was
decided on, and the entries in between, now read, would not change it; otherwise the gate withdraws it with a deny. So the index
is the only arbiter between gates, revocations and denials.

:mod:`trustlog.gate.rounds` says in which order that is done; this is what callers see of it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Final

from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.envelope import Signer
from trustlog.gate.asked import Asked
from trustlog.gate.decision import Decision
from trustlog.gate.denies import DenyMemory
from trustlog.gate.failing import Failing, finding_of
from trustlog.gate.follow import Reading
from trustlog.gate.freshness import Freshness
from trustlog.gate.hearing import Hearing
from trustlog.gate.identify import GateRequest
from trustlog.gate.kept_view import KeptView
from trustlog.gate.releasing import Releasing
from trustlog.gate.restrictions import Restricted, Restrictions
from trustlog.gate.rounds import Rounds, Steps
from trustlog.gate.sealing import Seals, allow_again
from trustlog.gate.sending import Outbox, Sending
from trustlog.gate.under_way import AllowsUnderWay
from trustlog.gate.view import LogView
from trustlog.gate.withdrawing import Withdrawing
from trustlog.gate.words import check_words
from trustlog.limits import DECISION_TTL_S
from trustlog.policy.finding import Finding

ANSWER_WITHIN_S: Final = float(DECISION_TTL_S)  # what is decided later has expired


class Gate:
    """One gate over one log. `signer` is a key trusted as a gate.

    `clock` gives nanoseconds since 1970, `random_bytes` as many unpredictable bytes as asked. With `kept`, the gate goes on where
    an earlier process ended, once :meth:`start` was called. Lives on one event loop.
    """

    def __init__(
        self,
        client: LogClient,
        signer: Signer,
        *,
        clock: Callable[[], int] = time.time_ns,
        random_bytes: Callable[[int], bytes] = os.urandom,
        kept: KeptView | None = None,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._clock = clock
        self._kept = kept
        self._within_s = answer_within_s
        self._reading = reading = Reading(client, None if kept is None else kept.log)
        self._denies = DenyMemory(kept)
        self._restrictions = Restrictions(client, reading.view, clock, kept)
        self._allows = allows = AllowsUnderWay(kept)
        seals = Seals(signer, client.trust, random_bytes)
        self._failing = failing = Failing(seals, reading, clock, answer_within_s)
        self._freshness = Freshness(reading, self._restrictions, failing)
        self._releasing = Releasing(reading, self._restrictions, allows=allows, failing=failing, clock=clock)
        outbox = Outbox(client, reading, kept)
        steps = Steps(
            freshness=self._freshness,
            releasing=self._releasing,
            withdrawing=Withdrawing(outbox, reading, seals, freshness=self._freshness, allows=allows, clock=clock),
            hearing=Hearing(reading, self._restrictions),
            sending=Sending(outbox, reading, seals, denies=self._denies, allows=allows, failing=failing),
        )
        self._rounds = Rounds(steps, reading, kept, failing=failing, clock=clock, within_s=answer_within_s)

    @property
    def view(self) -> LogView:
        """What was read of the log."""
        return self._reading.view

    @property
    def trouble(self) -> Finding | None:
        """Why the last reading of the log failed."""
        return self._freshness.trouble

    @property
    def caught_up_s(self) -> float | None:
        """When the last one ended well, by the monotonic clock."""
        return self._freshness.caught_up_s

    @property
    def restrictions(self) -> Restrictions:
        """What was handed in and is not logged yet."""
        return self._restrictions

    @property
    def nearing(self) -> int:
        """How many jobs are near a decision, with receipts that were not read yet: rounds in which nobody asks read them."""
        return self._reading.nearing

    @property
    def expected(self) -> int:
        """How many records of its own it sent and has not read yet; bounded."""
        return self._reading.expected

    @property
    def unreleased(self) -> int:
        """How many allows are on their way."""
        return len(self._allows)

    @property
    def waiting(self) -> int:
        """How many requests wait for a round."""
        return self._rounds.waiting

    async def start(self) -> dict[bytes, Decision]:
        """Go on where an earlier process ended; the allows that it released and that have not expired, by request.

        Raises TrustlogError for a damaged file.
        """
        assert self._kept is not None
        await self._reading.restore()
        self._restrictions.restore()
        self._denies.restore()
        released = self._allows.restore(now_ns=self._clock())
        self._kept.commit()
        origin = self._reading.view.origin
        return {one.asked: allow_again(one.envelope, one.index, origin) for one in released if one.index is not None}

    async def decide(self, request: GateRequest) -> Decision:
        """Allow or deny, within a decision's life.

        Never raises: whatever the log, the network or the caller does, and a defect in here, is a deny.
        """
        try:
            check_words(request)
        except Refused as refused:
            return self._failing.deny_unsigned(request, finding_of(refused))
        asked = Asked.now(request)
        self._rounds.ask(asked)
        try:
            await asyncio.wait({asked.answer}, timeout=self._within_s)
        finally:
            asked.abandoned = not asked.answer.done()
        if asked.abandoned:
            return self._failing.deny(request, self._failing.too_late())
        return asked.answer.result()

    async def repeat(self, request: GateRequest, given: Decision) -> Decision | None:
        """`given`, an allow of this very request, where it stands by now; None where it does not: that is to be decided anew.

        Never raises: where it cannot be told, the answer is a deny.
        """
        try:
            async with asyncio.timeout(self._within_s):
                await self.catch_up()
                if self.trouble is not None:
                    return self._failing.deny(request, self.trouble)
                return given if await self._releasing.stands(request, given) else None
        except Exception as error:  # noqa: BLE001 - a gate that breaks must not open
            return self._failing.deny(request, self._failing.finding(error))

    async def catch_up(self) -> None:
        """Until a round that begins now is over: what is new is read, what was never released withdrawn. Never raises."""
        await self._rounds.read()

    def restrict(self, envelope: bytes) -> Restricted:
        """Take a signed revocation or denial: from now on it counts. Raises Refused for what is none, or does not count."""
        return self._restrictions.take(envelope)

    async def close(self) -> None:
        """End the round under way; nothing may be asked any more."""
        await self._rounds.close()
