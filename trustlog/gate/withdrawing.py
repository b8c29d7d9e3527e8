"""Withdrawing: an allow that is in the log and must not stand is taken back by a deny that names it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from trustlog.errors import Refused
from trustlog.formats.timestamp import NS
from trustlog.gate.asked import Asked
from trustlog.gate.decision import ViewOfLog
from trustlog.gate.evidence import collect_evidence
from trustlog.gate.failing import finding_of, not_there
from trustlog.gate.follow import Reading
from trustlog.gate.freshness import Freshness
from trustlog.gate.job import Job
from trustlog.gate.question import Judgement
from trustlog.gate.sealing import Sealed, Seals, decision_of, read_allow
from trustlog.gate.sending import Outbox
from trustlog.gate.under_way import AllowsUnderWay
from trustlog.policy.finding import Finding
from trustlog.records.scope import compute_scope_hash

UNRELEASED_S: Final = 600  # a submission without an answer is in the log by then, or never will be


@dataclass(frozen=True, slots=True)
class ToWithdraw:
    """An allow in the log that must not stand, and what is against it. `asked` is None where nobody waits any longer."""

    envelope: bytes
    against: tuple[Finding, ...]
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class _Deny:
    """The deny that withdraws the allow with payload hash `withdraws`, and whom it answers."""

    withdraws: str
    asked: Asked
    sealed: Sealed


class Withdrawing:
    """One gate's taking back of allows."""

    def __init__(
        self,
        outbox: Outbox,
        reading: Reading,
        seals: Seals,
        *,
        freshness: Freshness,
        allows: AllowsUnderWay,
        clock: Callable[[], int],
    ) -> None:
        self._outbox = outbox
        self._reading = reading
        self._seals = seals
        self._freshness = freshness
        self._allows = allows
        self._clock = clock

    def settle(self, in_flight: AbstractSet[str]) -> list[ToWithdraw]:
        """Every allow that is in the log although its caller was told nothing or deny, and that nothing withdraws yet.

        Those `in_flight`, by payload hash, may still be released.
        """
        view, withdraw = self._reading.view, []
        for one in self._allows.all():
            if one.payload_hash in in_flight:
                continue
            logged = view.first(one.payload_hash, "gate_decision", view.size)
            if logged is None:
                if self._clock() - one.at_ns > UNRELEASED_S * NS:
                    self._allows.drop(one.payload_hash)
            elif any(view.withdrawals(one.payload_hash, view.size)):
                self._allows.drop(one.payload_hash)
            else:
                withdraw.append(ToWithdraw(one.envelope, (lost(),)))
        return withdraw

    async def withdraw(self, withdraw: Iterable[ToWithdraw], seen: ViewOfLog) -> ViewOfLog:
        """Log a deny for each allow, and read that, which gives a newer view; answers those who wait."""
        each: dict[bytes, ToWithdraw] = {}
        for one in withdraw:
            each.setdefault(one.envelope, one)  # some are both not released and to be settled
        at_ns = self._clock()
        denies = [self._deny(one, seen, at_ns) for one in each.values()]
        refusals = await self._outbox.offer([deny.sealed for deny in denies])
        seen = await self._freshness.catch_up()
        for deny, refusal in zip(denies, refusals, strict=True):
            self._answer(deny, refusal, seen)
        return seen

    def _deny(self, one: ToWithdraw, seen: ViewOfLog, at_ns: int) -> _Deny:
        request, names, allow = read_allow(one.envelope, self._reading.view.origin)
        name = allow.payload_hash_b64u
        found = f"the allow {name}, which what was logged before it contradicts"
        first = Finding("DECISION_WITHDRAWN", "an allow that holds at its own index", found)
        judgement = self._about(allow.record, (first, *one.against), seen.size)
        sealed = self._seals.seal(request, judgement, names, view=seen, at_ns=at_ns, withdraws=name, count=1)
        return _Deny(name, one.asked or Asked.now(request), sealed)

    def _answer(self, deny: _Deny, refusal: Refused | None, seen: ViewOfLog) -> None:
        request, sealed = deny.asked.request, deny.sealed
        logged = self._reading.view.first(sealed.payload_hash, "gate_decision", seen.size)
        if logged is not None:
            self._allows.drop(deny.withdraws)
            deny.asked.give(decision_of(request, sealed, index=logged.index))
            return
        more = not_there() if refusal is None else finding_of(refusal)
        deny.asked.give(decision_of(request, sealed, more=(more,)))  # it is settled in a later round

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


def lost() -> Finding:
    """The caller of an allow was told nothing, or deny, before the allow was seen in the log."""
    return Finding("DECISION_NOT_LOGGED", "an allow that was released", "one whose logging was not seen in time")
