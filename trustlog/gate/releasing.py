"""Releasing what was logged: an allow is given to its caller only where it stands at its own index, and nothing restricts it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trustlog.formats.timestamp import NS
from trustlog.gate.asked import Sent
from trustlog.gate.decision import Decision
from trustlog.gate.failing import Failing, not_there
from trustlog.gate.follow import Reading
from trustlog.gate.identify import GateRequest
from trustlog.gate.judge import judge_logged_allow
from trustlog.gate.logged import Logged
from trustlog.gate.pending import find_pending_below
from trustlog.gate.release import restrictions_since
from trustlog.gate.repeated import find_repeated
from trustlog.gate.restrictions import Restrictions
from trustlog.gate.sealing import decision_of
from trustlog.gate.under_way import AllowsUnderWay
from trustlog.gate.untouched import is_untouched
from trustlog.gate.withdrawing import ToWithdraw, lost
from trustlog.limits import DECISION_TTL_S
from trustlog.policy.finding import Finding


class Releasing:
    """One gate's answers to what it sent to the log, once that is read again."""

    def __init__(
        self,
        reading: Reading,
        restrictions: Restrictions,
        *,
        allows: AllowsUnderWay,
        failing: Failing,
        clock: Callable[[], int],
    ) -> None:
        self._reading = reading
        self._restrictions = restrictions
        self._allows = allows
        self._failing = failing
        self._clock = clock

    async def release(self, sent: Sequence[Sent]) -> list[ToWithdraw]:
        """Answer for what went to the log: what is there now and stands is released; gives the rest, to be withdrawn."""
        withdraw: list[ToWithdraw] = []
        founded: list[tuple[Sent, Logged, tuple[Finding, ...] | None]] = []
        for one in sent:
            logged = self._reading.view.first(one.sealed.payload_hash, "gate_decision", self._reading.view.size)
            if not one.sealed.judgement.allow:
                missing = () if logged is not None else (not_there(),)
                index = None if logged is None else logged.index
                one.asked.give(decision_of(one.asked.request, one.sealed, index=index, more=missing))
            elif logged is None:
                withdraw += self._not_valid(one)
            else:
                founded.append((one, logged, None if self._is_untouched(one, logged) else await self._judge_again(logged)))
        release: list[tuple[Sent, int]] = []
        for one, logged, unfounded in founded:  # nothing is waited for from here: what is handed in before an answer counts
            against = (unfounded or ()) + self._against_release(one, logged, is_untouched=unfounded is None)
            if against:
                withdraw.append(ToWithdraw(one.sealed.envelope, against, one.asked))
            else:
                release.append((one, logged.index))
        self._allows.release({one.sealed.payload_hash: index for one, index in release}, now_ns=self._clock())
        for one, index in release:
            one.asked.give(decision_of(one.asked.request, one.sealed, index=index))
        return withdraw

    async def stands(self, request: GateRequest, given: Decision) -> bool:
        """Whether an allow that was given is in the log, answers this request, holds at its own index, and nothing restricts it."""
        logged = find_repeated(self._reading.view, request, given, at_ns=self._clock())
        if logged is None or await self._judge_again(logged):
            return False
        alive = find_repeated(self._reading.view, request, given, at_ns=self._clock())
        return alive is not None and not self._restrictions_on(logged)

    def _not_valid(self, one: Sent) -> list[ToWithdraw]:
        """An allow that the log took, and does not hold as a valid one."""
        view = self._reading.view
        void = next((o.void for o in view.named(one.sealed.payload_hash, "gate_decision", view.size) if o.void), None)
        if void is not None:
            return [ToWithdraw(one.sealed.envelope, (Finding(void, "the decision to count", "void"),), one.asked)]
        one.asked.give(self._failing.deny(one.asked.request, not_there()))
        return []

    def _is_untouched(self, one: Sent, logged: Logged) -> bool:
        """Whether its judgement holds at its own index too, and nothing that was read by now restricts it."""
        view = self._reading.view
        return one.sightings_moved == view.sightings_moved and is_untouched(view, logged)

    async def _judge_again(self, logged: Logged) -> tuple[Finding, ...]:
        view = self._reading.view
        issuance = view.valid("token_issued", "token", logged.record.token_hash, logged.index)[0]
        against = judge_logged_allow(view, logged, await self._reading.read_job(issuance, view.size))
        return against + find_pending_below(view, logged)

    def _against_release(self, one: Sent, logged: Logged, *, is_untouched: bool) -> tuple[Finding, ...]:
        against = self._restrictions_on(logged, is_untouched=is_untouched)
        if self._clock() >= one.sealed.at_ns + DECISION_TTL_S * NS:
            against += (Finding("DECISION_EXPIRED", f"a release within {DECISION_TTL_S} s", "more"),)
        if one.asked.is_over:
            against += (lost(),)
        return against

    def _restrictions_on(self, logged: Logged, *, is_untouched: bool = False) -> tuple[Finding, ...]:
        """What restricts the act of a logged allow by now, logged or handed in."""
        found = () if is_untouched else restrictions_since(self._reading.view, logged)
        return self._restrictions.add_findings(found, lambda on: restrictions_since(on, logged))
