"""From judgements to the log: what needs no record is answered at once, the rest is signed and sent in one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trustlog.client.log import LogClient
from trustlog.errors import Refused, TrustlogError
from trustlog.gate.answered import request_digest
from trustlog.gate.asked import Asked, Judged, Sent
from trustlog.gate.decision import ViewOfLog
from trustlog.gate.denies import DenyMemory
from trustlog.gate.failing import Failing, finding_of
from trustlog.gate.follow import Reading
from trustlog.gate.kept_view import KeptAllow, KeptView
from trustlog.gate.sealing import Sealed, Seals, decision_of, unlogged_decision, with_findings
from trustlog.gate.under_way import AllowsUnderWay
from trustlog.policy.finding import Finding


class Outbox:
    """Records on their way to the log, which is told to those who will read them there before it is asked to take them."""

    def __init__(self, client: LogClient, reading: Reading, kept: KeptView | None) -> None:
        self._client = client
        self._reading = reading
        self._kept = kept

    async def offer(self, records: Sequence[Sealed]) -> list[Refused | None]:
        """Ask the log to take records: for each its refusal, or None where the log says that it has it."""
        for one in records:
            self._reading.expect(one.candidate)
        if self._kept is not None:
            self._kept.commit()
        return await self._client.offer([one.envelope for one in records])


@dataclass(frozen=True, slots=True)
class Sorted:
    """Judgements, sorted: records to send, and requests that have to see first what becomes of another of their job."""

    to_send: list[Sent]
    postponed: list[Asked]


class Sending:
    """One gate's way from judgements to the log."""

    def __init__(
        self,
        outbox: Outbox,
        reading: Reading,
        seals: Seals,
        *,
        denies: DenyMemory,
        allows: AllowsUnderWay,
        failing: Failing,
    ) -> None:
        self._outbox = outbox
        self._reading = reading
        self._seals = seals
        self._denies = denies
        self._allows = allows
        self._failing = failing

    def sort(
        self, judged: Sequence[Judged], seen: ViewOfLog, at_ns: int, *, busy: frozenset[str | None] = frozenset()
    ) -> Sorted:
        """Answer what is not to be logged, and sign what is: of one job at most one allow, of those that are `busy` none."""
        to_send: list[Sent] = []
        postponed: list[Asked] = []
        allowed = set(busy)
        for one in judged:
            if one.judgement.allow and not one.judgement.is_logged:
                one.asked.give(unlogged_decision(one.asked.request, one.judgement, at_ns))
                continue
            if one.judgement.allow and one.job_id in allowed:
                postponed.append(one.asked)
                continue
            try:
                sealed = self._seal(one, seen, at_ns)
            except TrustlogError as error:  # words of the caller's that no record can hold
                one.asked.give(self._failing.deny(one.asked.request, finding_of(error)))
                continue
            if sealed is None:
                continue
            if one.judgement.allow:
                allowed.add(one.job_id)
            to_send.append(Sent(one, sealed, self._reading.view.sightings_moved))
        return Sorted(to_send, postponed)

    def _seal(self, one: Judged, seen: ViewOfLog, at_ns: int) -> Sealed | None:
        """The record to log; None for a deny that is not to be logged again, and was answered."""
        request, judgement = one.asked.request, one.judgement
        count = None if judgement.allow else self._denies.count(request, judgement, at_ns)
        sealed = self._seals.seal(request, judgement, one.token, view=seen, at_ns=at_ns, count=count)
        if judgement.allow or count is not None:
            return sealed
        one.asked.give(decision_of(request, sealed))
        return None

    async def send(self, to_send: Sequence[Sent], seen: ViewOfLog, at_ns: int) -> list[Sent]:
        """Ask the log to take records; those that it says it has, to be looked for by who reads next. The rest is answered."""
        allows = [one for one in to_send if one.sealed.judgement.allow]
        self._allows.add([_under_way(one, at_ns) for one in allows])
        accepted, refused = await self._offer(to_send)
        denies = [new for one, refusal in refused if (new := self._refused(one, refusal, seen, at_ns)) is not None]
        if denies:
            more, refused = await self._offer(denies)
            accepted += more
            for one, refusal in refused:
                self._refused(one, refusal, seen, at_ns)
        return accepted

    async def _offer(self, to_send: Sequence[Sent]) -> tuple[list[Sent], list[tuple[Sent, Refused]]]:
        answers = await self._outbox.offer([one.sealed for one in to_send])
        pairs = list(zip(to_send, answers, strict=True))
        return [one for one, refusal in pairs if refusal is None], [(one, r) for one, r in pairs if r is not None]

    def _refused(self, one: Sent, refusal: Refused, seen: ViewOfLog, at_ns: int) -> Sent | None:
        """Answer for a record that the log does not say it has; the deny to log instead where another allow holds the scope."""
        asked, judgement = one.asked, one.sealed.judgement
        if not judgement.allow:
            self._denies.put_back(asked.request, judgement, _count_of(one.sealed))
            unlogged = Finding("DECISION_NOT_LOGGED", "the deny to be logged", f"{refusal.code}: {refusal.detail}")
            asked.give(decision_of(asked.request, one.sealed, more=(unlogged,)))
            return None
        if refusal.code != "CONFLICT":
            asked.give(self._failing.deny(asked.request, finding_of(refusal)))
            return None  # the allow may be logged all the same: it is settled in a later round
        self._allows.drop(one.sealed.payload_hash)
        judged = Judged(asked, with_findings(judgement, (_used_up(refusal),)), one.judged.token, one.judged.job_id)
        return next(iter(self.sort([judged], seen, at_ns).to_send), None)


def _under_way(one: Sent, at_ns: int) -> KeptAllow:
    return KeptAllow(one.sealed.payload_hash, request_digest(one.asked.request), one.sealed.envelope, at_ns, None)


def _count_of(sealed: Sealed) -> int:
    count = sealed.candidate.record.count
    return count if isinstance(count, int) else 1


def _used_up(conflict: Refused) -> Finding:
    expected = "approvals that no allow has used up"
    return Finding("APPROVAL_ALREADY_USED", expected, f"another allow of this scope: {conflict.detail}")
