"""The gate's shell: follow the log, judge, log the decision, and release an allow only when the log carries it.

An allow is a log entry first. It is released only when it is included under a checkpoint consistent with the view that it was
decided on, and the entries in between, now read, would not change it; otherwise the gate withdraws it with a deny. So the index
is the only arbiter between gates, revocations and denials.

Decisions are made in *rounds*, one after the other. A round first reads up to the log's checkpoint of now, which shows what the
round before has logged: that is released, or withdrawn. On the same view it judges what was asked before it began to read, and
sends what is to be logged in one request. So however many ask at once, they share one reading and one submission, and each is
decided on a checkpoint that was fetched after it asked.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trustlog.client.log import LogClient
from trustlog.errors import Refused, TrustlogError
from trustlog.formats.envelope import Signer
from trustlog.formats.timestamp import NS
from trustlog.gate.answered import request_digest
from trustlog.gate.decision import Decision, ViewOfLog
from trustlog.gate.denies import DenyMemory
from trustlog.gate.evidence import collect_evidence
from trustlog.gate.follow import Reading
from trustlog.gate.identify import GateRequest, identify
from trustlog.gate.job import Job
from trustlog.gate.judge import Judgement, Question, judge, judge_logged_allow
from trustlog.gate.kept_view import KeptAllow, KeptView
from trustlog.gate.release import restrictions_since
from trustlog.gate.repeated import find_repeated
from trustlog.gate.restrictions import Restricted, Restrictions
from trustlog.gate.sealing import Sealed, Seals, allow_again, decision_of, read_allow, unlogged_decision, with_findings
from trustlog.gate.untouched import is_untouched
from trustlog.gate.view import Logged, LogView
from trustlog.gate.words import check_words
from trustlog.limits import DECISION_TTL_S
from trustlog.policy.finding import Finding
from trustlog.records.scope import compute_scope_hash
from trustlog.tokens.scoped_token import ScopedToken

ANSWER_WITHIN_S: Final = float(DECISION_TTL_S)  # what is decided later has expired
UNRELEASED_S: Final = 600  # a submission without an answer is in the log by then, or never will be
READ_AHEAD: Final = 4  # jobs a round, while nobody asks
MAX_ROUND: Final = 32  # decisions: more would make the first wait for the last

LOGGER: Final = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Asked:
    """A request, and where its answer goes; `abandoned` once its caller was told something else, or has gone."""

    request: GateRequest
    answer: asyncio.Future[Decision]
    abandoned: bool = False

    def give(self, decision: Decision) -> None:
        if not self.answer.done():
            self.answer.set_result(decision)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A request that was judged. `allow_of` is the job of an allow that is to be logged."""

    asked: _Asked
    judgement: Judgement
    token: ScopedToken | None
    job_id: str | None


@dataclass(frozen=True, slots=True)
class _Sent:
    """A record that went to the log, to be looked for there; `sightings_moved` is the view's when it was judged."""

    judged: _Judged
    sealed: Sealed
    sightings_moved: int


@dataclass(frozen=True, slots=True)
class _ToWithdraw:
    """An allow in the log that must not stand, and what is against it. `asked` is None where nobody waits any longer."""

    envelope: bytes
    against: tuple[Finding, ...]
    asked: _Asked | None = None


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
        self._client = client
        self._clock = clock
        self._kept = kept
        self._within_s = answer_within_s
        self._reading = Reading(client, kept)
        self._seals = Seals(signer, client.trust, random_bytes)
        self._denies = DenyMemory(kept)
        self._restrictions = Restrictions(client, self._reading.view, clock, kept)
        self._unreleased: dict[str, KeptAllow] = {}  # allows under way, by payload hash
        self._queue: deque[_Asked] = deque()
        self._sent: list[_Sent] = []
        self._rounds: asyncio.Task[None] | None = None
        self._readers: list[asyncio.Future[None]] = []  # those who wait for the next round
        self.trouble: Finding | None = None  # why the last reading failed
        self.caught_up_s: float | None = None  # when the last one ended well, by the monotonic clock

    @property
    def view(self) -> LogView:
        """What was read of the log."""
        return self._reading.view

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
        return len(self._unreleased)

    @property
    def waiting(self) -> int:
        """How many requests wait for a round."""
        return len(self._queue)

    async def start(self) -> dict[bytes, Decision]:
        """Go on where an earlier process ended; the allows that it released and that have not expired, by request.

        Raises TrustlogError for a damaged file.
        """
        assert self._kept is not None
        await self._reading.restore()
        self._restrictions.restore()
        self._denies.restore()
        self._kept.drop_released(self._clock() - DECISION_TTL_S * NS)
        released = {}
        for allow in self._kept.allows():
            if allow.index is None:
                self._unreleased[allow.payload_hash] = allow
            else:
                released[allow.asked] = allow_again(allow.envelope, allow.index, self._client.origin)
        self._kept.commit()
        return released

    async def decide(self, request: GateRequest) -> Decision:
        """Allow or deny, within a decision's life.

        Never raises: whatever the log, the network or the caller does, and a defect in here, is a deny.
        """
        try:
            check_words(request)
        except Refused as refused:
            return self._failed(request, _finding_of(refused), is_signed=False)
        asked = _Asked(request, asyncio.get_running_loop().create_future())
        self._queue.append(asked)
        self._wake()
        try:
            await asyncio.wait({asked.answer}, timeout=self._within_s)
        finally:
            asked.abandoned = not asked.answer.done()
        if asked.abandoned:
            return self._failed(request, self._too_late())
        return asked.answer.result()

    async def repeat(self, request: GateRequest, given: Decision) -> Decision | None:
        """`given`, an allow of this very request, where it stands by now; None where it does not: that is to be decided anew.

        Never raises: where it cannot be told, the answer is a deny.
        """
        try:
            async with asyncio.timeout(self._within_s):
                await self.catch_up()
                if self.trouble is not None:
                    return self._failed(request, self.trouble)
                return given if await self._stands(request, given) else None
        except TimeoutError:
            finding = self._too_late()
        except TrustlogError as error:
            finding = _finding_of(error)
        except Exception as error:  # noqa: BLE001 - a gate that breaks must not open
            finding = _defect(error)
        return self._failed(request, finding)

    async def catch_up(self) -> None:
        """Until a round that begins now is over: what is new is read, what was never released withdrawn. Never raises."""
        read: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._readers.append(read)
        self._wake()
        await asyncio.wait({read})

    def restrict(self, envelope: bytes) -> Restricted:
        """Take a signed revocation or denial: from now on it counts. Raises Refused for what is none, or does not count."""
        return self._restrictions.take(envelope)

    async def close(self) -> None:
        """End the round under way; nothing may be asked any more."""
        if self._rounds is not None:
            await asyncio.wait({self._rounds})

    # Rounds.

    def _wake(self) -> None:
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._run_rounds(), name="rounds of the gate")

    async def _run_rounds(self) -> None:
        while self._queue or self._sent or self._readers:
            readers, self._readers = self._readers, []
            sent, self._sent = self._sent, []
            taken = self._take()
            finding = await self._try_round(sent, taken)
            if finding is not None:
                for asked in (*(one.judged.asked for one in sent), *taken):
                    asked.give(self._failed(asked.request, finding))
            for reader in readers:
                if not reader.done():
                    reader.set_result(None)

    async def _try_round(self, sent: list[_Sent], taken: list[_Asked]) -> Finding | None:
        """One round; what it failed for."""
        try:
            async with asyncio.timeout(self._within_s):
                await self._round(sent, taken)
        except TimeoutError:
            return self._too_late()
        except TrustlogError as error:
            return _finding_of(error)
        except Exception as error:  # noqa: BLE001 - a gate that breaks must not open
            return _defect(error)
        return None

    def _take(self) -> list[_Asked]:
        taken: list[_Asked] = []
        while self._queue and len(taken) < MAX_ROUND:
            asked = self._queue.popleft()
            if not asked.abandoned:
                taken.append(asked)
        return taken

    async def _round(self, sent: list[_Sent], taken: list[_Asked]) -> None:
        seen = await self._catch_up()
        withdraw = [*(await self._release(sent)), *self._settle()]
        if withdraw:
            seen = await self._withdraw(withdraw, seen)
        plans = await asyncio.gather(*(self._read_for(asked, seen) for asked in taken))
        at_ns = self._clock()  # nothing is waited for until all are judged: what is handed in before an answer counts
        judged = [self._judge(asked, known, seen, at_ns) for asked, known in zip(taken, plans, strict=True)]
        to_send = self._answer_or_seal([one for one in judged if one is not None], seen, at_ns)
        if to_send:
            self._sent = await self._send(to_send, seen, at_ns)
        if not taken and not sent and not self._queue:
            await self._reading.read_ahead(READ_AHEAD)
        if self._kept is not None:
            self._kept.commit()

    async def _catch_up(self) -> ViewOfLog:
        try:
            checkpoint = (await self._reading.catch_up()).checkpoint
        except TrustlogError as error:
            self.trouble = _finding_of(error)
            raise
        except BaseException:
            self.trouble = self._too_late()
            raise
        self.trouble, self.caught_up_s = None, time.monotonic()
        self._restrictions.drop_logged()
        return ViewOfLog(checkpoint.size, checkpoint.root)

    # Judging.

    async def _read_for(self, asked: _Asked, seen: ViewOfLog) -> dict[str, bytes]:
        """Read what a request's job needs beside the view, and give its plans; a failure is the answer."""
        request = asked.request
        try:
            issuance, _token, _findings = identify(self._reading.view, seen.size, request)
            if issuance is None:
                return {}
            plans = await self._reading.read_job(issuance, seen.size)
            if request.plan_hash is not None and request.plan_hash not in plans:
                text = await self._reading.plan(request.plan_hash)
                plans |= {} if text is None else {request.plan_hash: text}
        except Exception as error:  # noqa: BLE001 - one request that breaks the gate is denied, and no other
            self._give_up(asked, error)
            return {}
        return plans

    def _judge(self, asked: _Asked, plans: dict[str, bytes], seen: ViewOfLog, at_ns: int) -> _Judged | None:
        """What is to be answered; None where it was answered already, because it could not be judged."""
        if asked.answer.done():
            return None
        try:
            return self._judge_request(asked, plans, seen, at_ns)
        except Exception as error:  # noqa: BLE001 - as above
            self._give_up(asked, error)
            return None

    def _give_up(self, asked: _Asked, error: Exception) -> None:
        asked.give(self._failed(asked.request, _finding_of(error) if isinstance(error, TrustlogError) else _defect(error)))

    def _judge_request(self, asked: _Asked, plans: dict[str, bytes], seen: ViewOfLog, at_ns: int) -> _Judged:
        request, view = asked.request, self._reading.view
        issuance, token, findings = identify(view, seen.size, request)
        if issuance is None:
            return _Judged(asked, Judgement(tuple(findings)), None, None)

        def judge_on(on: LogView) -> Judgement:
            size = seen.size if on is view else on.size
            question = Question(
                view=on,
                size=size,
                at_ns=at_ns,
                issuance=issuance,
                action=request.action,
                plans=plans,
                plan_hash=request.plan_hash,
                simulation=request.simulation,
                closing_reason=request.closing_reason,
            )
            return judge(question)

        judgement = judge_on(view)
        found = self._restrictions.add_findings(judgement.findings, lambda on: judge_on(on).findings)
        more = (*findings, *(one for one in found if one not in judgement.findings))
        return _Judged(asked, with_findings(judgement, more), token, issuance.record.job_id)

    def _answer_or_seal(self, judged: Sequence[_Judged], seen: ViewOfLog, at_ns: int) -> list[_Sent]:
        """Answer what is not to be logged, and sign what is."""
        to_send: list[_Sent] = []
        allowed: set[str | None] = set()
        for one in judged:
            if one.judgement.allow and not one.judgement.is_logged:
                one.asked.give(unlogged_decision(one.asked.request, one.judgement, at_ns))
                continue
            if one.judgement.allow and one.job_id in allowed:
                self._queue.appendleft(one.asked)  # it has to see what becomes of the other
                continue
            try:
                sealed = self._seal(one, seen, at_ns)
            except TrustlogError as error:  # words of the caller's that no record can hold
                one.asked.give(self._failed(one.asked.request, _finding_of(error)))
                continue
            if sealed is None:
                continue
            if one.judgement.allow:
                allowed.add(one.job_id)
            to_send.append(_Sent(one, sealed, self._reading.view.sightings_moved))
        return to_send

    def _seal(self, one: _Judged, seen: ViewOfLog, at_ns: int) -> Sealed | None:
        """The record to log; None for a deny that is not to be logged again, and was answered."""
        request, judgement = one.asked.request, one.judgement
        count = None if judgement.allow else self._denies.count(request, judgement, at_ns)
        sealed = self._seals.seal(request, judgement, one.token, view=seen, at_ns=at_ns, count=count)
        if judgement.allow or count is not None:
            return sealed
        one.asked.give(decision_of(request, sealed))
        return None

    # Logging.

    async def _send(self, to_send: list[_Sent], seen: ViewOfLog, at_ns: int) -> list[_Sent]:
        """Ask the log to take records; those that it says it has, to be looked for in the next round."""
        for one in to_send:
            if one.sealed.judgement.allow:
                asked = request_digest(one.judged.asked.request)
                self._keep_unreleased(KeptAllow(one.sealed.payload_hash, asked, one.sealed.envelope, at_ns, None))
        accepted, refused = await self._offer(to_send)
        denies = [new for one, refusal in refused if (new := self._refused(one, refusal, seen, at_ns)) is not None]
        if denies:
            more, refused = await self._offer(denies)
            accepted += more
            for one, refusal in refused:
                self._refused(one, refusal, seen, at_ns)
        return accepted

    async def _offer(self, to_send: Sequence[_Sent]) -> tuple[list[_Sent], list[tuple[_Sent, Refused]]]:
        for one in to_send:
            self._reading.expect(one.sealed.candidate)
        if self._kept is not None:
            self._kept.commit()
        answers = await self._client.offer([one.sealed.envelope for one in to_send])
        pairs = list(zip(to_send, answers, strict=True))
        return [one for one, refusal in pairs if refusal is None], [(one, r) for one, r in pairs if r is not None]

    def _refused(self, one: _Sent, refusal: Refused, seen: ViewOfLog, at_ns: int) -> _Sent | None:
        """Answer for a record that the log does not say it has; the deny to log instead where another allow holds the scope."""
        asked, judgement = one.judged.asked, one.sealed.judgement
        if not judgement.allow:
            self._denies.put_back(asked.request, judgement, self._count_of(one.sealed))
            unlogged = Finding("DECISION_NOT_LOGGED", "the deny to be logged", f"{refusal.code}: {refusal.detail}")
            asked.give(decision_of(asked.request, one.sealed, more=(unlogged,)))
            return None
        if refusal.code != "CONFLICT":
            asked.give(self._failed(asked.request, _finding_of(refusal)))  # it may be logged all the same: see _settle
            return None
        self._drop_unreleased(one.sealed.payload_hash)
        judged = _Judged(asked, with_findings(judgement, (_used_up(refusal),)), one.judged.token, one.judged.job_id)
        denied = self._answer_or_seal([judged], seen, at_ns)
        return denied[0] if denied else None

    @staticmethod
    def _count_of(sealed: Sealed) -> int:
        count = sealed.candidate.record.count
        return count if isinstance(count, int) else 1

    # Releasing.

    async def _release(self, sent: list[_Sent]) -> list[_ToWithdraw]:
        """Answer for what went to the log: what is there now and stands is released; the rest is to be withdrawn."""
        view = self._reading.view
        release: list[tuple[_Sent, int]] = []
        withdraw: list[_ToWithdraw] = []
        known: list[tuple[_Sent, Logged, tuple[Finding, ...]]] = []
        for one in sent:
            asked, sealed = one.judged.asked, one.sealed
            logged = view.first(sealed.payload_hash, "gate_decision", view.size)
            if not sealed.judgement.allow:
                missing = () if logged is not None else (_not_there(),)
                asked.give(decision_of(asked.request, sealed, index=None if logged is None else logged.index, more=missing))
                continue
            if logged is None:
                void = next((o.void for o in view.named(sealed.payload_hash, "gate_decision", view.size) if o.void), None)
                if void is None:
                    asked.give(self._failed(asked.request, _not_there()))
                else:
                    voided = Finding(void, "the decision to count", "void")
                    withdraw.append(_ToWithdraw(sealed.envelope, (voided,), asked))
                continue
            known.append((one, logged, await self._against_founding(one, logged)))
        for one, logged, unfounded in known:  # nothing is waited for from here on: what is handed in before an answer counts
            against = unfounded + self._against_release(one, logged)
            if against:
                withdraw.append(_ToWithdraw(one.sealed.envelope, against, one.judged.asked))
            else:
                release.append((one, logged.index))
        for one, index in release:
            self._note_released(one.sealed.payload_hash, index)
        if release and self._kept is not None:
            self._kept.drop_released(self._clock() - DECISION_TTL_S * NS)
            self._kept.commit()
        for one, index in release:
            one.judged.asked.give(decision_of(one.judged.asked.request, one.sealed, index=index))
        return withdraw

    async def _against_founding(self, one: _Sent, logged: Logged) -> tuple[Finding, ...]:
        """What stands against an allow at its own index, by what came between its view and that."""
        view = self._reading.view
        if one.sightings_moved == view.sightings_moved and is_untouched(view, logged):
            return ()
        return await self._judge_again(logged)

    def _against_release(self, one: _Sent, logged: Logged) -> tuple[Finding, ...]:
        against = self._restrictions_on(logged)
        if self._clock() >= one.sealed.at_ns + DECISION_TTL_S * NS:
            against += (Finding("DECISION_EXPIRED", f"a release within {DECISION_TTL_S} s", "more"),)
        if one.judged.asked.abandoned:
            against += (_lost(),)
        return against

    async def _stands(self, request: GateRequest, given: Decision) -> bool:
        """Whether an allow that was given is in the log, answers this request, holds at its own index, and nothing restricts it."""
        logged = find_repeated(self._reading.view, request, given, at_ns=self._clock())
        if logged is None or await self._judge_again(logged):
            return False
        alive = find_repeated(self._reading.view, request, given, at_ns=self._clock())
        return alive is not None and not self._restrictions_on(logged)

    async def _judge_again(self, logged: Logged) -> tuple[Finding, ...]:
        view = self._reading.view
        issuance = view.valid("token_issued", "token", logged.record.token_hash, logged.index)[0]
        return judge_logged_allow(view, logged, await self._reading.read_job(issuance, view.size))

    def _restrictions_on(self, logged: Logged) -> tuple[Finding, ...]:
        """What restricts the act of a logged allow by now, logged or handed in."""
        found = restrictions_since(self._reading.view, logged)
        return self._restrictions.add_findings(found, lambda on: restrictions_since(on, logged))

    def _settle(self) -> list[_ToWithdraw]:
        """Every allow that is in the log although its caller was told nothing or deny, and that nothing withdraws yet."""
        view, withdraw = self._reading.view, []
        for payload_hash, one in list(self._unreleased.items()):
            logged = view.first(payload_hash, "gate_decision", view.size)
            if logged is None:
                if self._clock() - one.at_ns > UNRELEASED_S * NS:
                    self._drop_unreleased(payload_hash)
            elif any(view.withdrawals(payload_hash, view.size)):
                self._drop_unreleased(payload_hash)
            else:
                withdraw.append(_ToWithdraw(one.envelope, (_lost(),)))
        return withdraw

    async def _withdraw(self, withdraw: Iterable[_ToWithdraw], seen: ViewOfLog) -> ViewOfLog:
        """Log a deny for each allow, and read that; answers those who wait."""
        denies: dict[str, tuple[_ToWithdraw, _Sent]] = {}
        at_ns = self._clock()
        loop = asyncio.get_running_loop()
        for one in withdraw:
            request, names, allow = read_allow(one.envelope, self._client.origin)
            name = allow.payload_hash_b64u
            if name in denies:
                continue  # both not released and to be settled
            found = f"the allow {name}, which what was logged before it contradicts"
            first = Finding("DECISION_WITHDRAWN", "an allow that holds at its own index", found)
            judgement = self._about(allow.record, (first, *one.against), seen.size)
            sealed = self._seals.seal(request, judgement, names, view=seen, at_ns=at_ns, withdraws=name, count=1)
            asked = one.asked or _Asked(request, loop.create_future())
            denies[name] = (one, _Sent(_Judged(asked, judgement, None, None), sealed, 0))
        _accepted, refused = await self._offer([sent for _one, sent in denies.values()])
        refusals = {sent.sealed.payload_hash: refusal for sent, refusal in refused}
        seen = await self._catch_up()
        for name, (_one, sent) in denies.items():
            asked, sealed = sent.judged.asked, sent.sealed
            logged = self._reading.view.first(sealed.payload_hash, "gate_decision", seen.size)
            if logged is not None:
                self._drop_unreleased(name)
                asked.give(decision_of(asked.request, sealed, index=logged.index))
                continue
            refusal = refusals.get(sealed.payload_hash)
            more = _not_there() if refusal is None else _finding_of(refusal)
            asked.give(decision_of(asked.request, sealed, more=(more,)))  # it is settled in a later round
        return seen

    def _about(self, allow: Any, findings: tuple[Finding, ...], size: int) -> Judgement:
        """The judgement that withdraws an allow (its record), on all evidence below `size`."""
        view, scope, run_id = self._reading.view, dict(allow.scope), allow.run_id
        roster = view.rosters.at(size)
        issued = view.valid("token_issued", "token", allow.token_hash, size)
        evidence = (
            collect_evidence(
                Job(view, size, issued[0]),
                run_id=run_id,
                scope_hash=compute_scope_hash(scope),
                plan_hash=scope["plan_hash_b64u"],
            )
            if issued
            else []
        )
        return Judgement(
            findings,
            scope=scope,
            run_id=run_id,
            roster_b64u=None if roster is None else roster.payload_hash_b64u,
            evidence=tuple(evidence),
        )

    # Allows under way.

    def _keep_unreleased(self, allow: KeptAllow) -> None:
        self._unreleased[allow.payload_hash] = allow
        if self._kept is not None:
            self._kept.add_allow(allow)

    def _drop_unreleased(self, payload_hash: str) -> None:
        if self._unreleased.pop(payload_hash, None) is not None and self._kept is not None:
            self._kept.drop_allow(payload_hash)

    def _note_released(self, payload_hash: str, index: int) -> None:
        del self._unreleased[payload_hash]
        if self._kept is not None:
            self._kept.note_released(payload_hash, index)

    # Failing.

    def _failed(self, request: GateRequest, finding: Finding, *, is_signed: bool = True) -> Decision:
        """A deny because nothing could be decided: signed on what was read so far, and not logged."""
        judgement, at_ns = Judgement((finding,), is_logged=False), self._clock()
        if not is_signed:
            return unlogged_decision(request, judgement, at_ns, decided=False)
        view = ViewOfLog(self._reading.view.size, self._reading.root)
        try:
            sealed = self._seals.seal(request, judgement, None, view=view, at_ns=at_ns)
        except Exception as error:  # noqa: BLE001 - a deny needs no signature to be a deny
            return unlogged_decision(request, Judgement((finding, _defect(error))), at_ns, decided=False)
        return decision_of(request, sealed, decided=False)

    def _too_late(self) -> Finding:
        return Finding("LOG_UNREACHABLE", f"everything needed within {self._within_s:g} s", "no answer by then")


def _finding_of(error: TrustlogError) -> Finding:
    return Finding(error.code, error.expected or "an answer that can be believed", error.detail)


def _defect(error: Exception) -> Finding:
    trace = "".join(traceback.format_tb(error.__traceback__))  # never the message: it could hold a token
    LOGGER.error("deciding failed: %s\n%s", type(error).__name__, trace)
    return Finding("INTERNAL_ERROR", "a decision", type(error).__name__)


def _not_there() -> Finding:
    return Finding("DECISION_NOT_LOGGED", "the decision in the log, which said that it has it", "it is not there")


def _lost() -> Finding:
    return Finding("DECISION_NOT_LOGGED", "an allow that was released", "one whose logging was not seen in time")


def _used_up(conflict: Refused) -> Finding:
    expected = "approvals that no allow has used up"
    return Finding("APPROVAL_ALREADY_USED", expected, f"another allow of this scope: {conflict.detail}")
