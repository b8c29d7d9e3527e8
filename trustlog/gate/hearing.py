"""What a gate makes of a request: whose it is, what its job needs read, and the judgement with what was handed in on top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trustlog.gate.asked import Asked, Judged
from trustlog.gate.decision import ViewOfLog
from trustlog.gate.follow import Reading
from trustlog.gate.identify import identify
from trustlog.gate.judge import Judgement, Question, judge
from trustlog.gate.logged import Logged
from trustlog.gate.restrictions import Restrictions
from trustlog.gate.sealing import with_findings
from trustlog.gate.view import LogView
from trustlog.policy.finding import Finding
from trustlog.tokens.scoped_token import ScopedToken


@dataclass(frozen=True, slots=True)
class Case:
    """A request, identified on the view of `size`, with all that its judgement needs.

    `issuance` is None for a token that is not to be believed; `plans` are stored bytes by fingerprint.
    """

    asked: Asked
    size: int
    issuance: Logged | None
    token: ScopedToken | None
    findings: tuple[Finding, ...]
    plans: Mapping[str, bytes]


class Hearing:
    """Cases over what one gate reads. Reading waits for the log; judging waits for nothing."""

    def __init__(self, reading: Reading, restrictions: Restrictions) -> None:
        self._reading = reading
        self._restrictions = restrictions

    async def prepare(self, asked: Asked, seen: ViewOfLog) -> Case:
        """Read what a request's job needs beside the view. Raises what the log answers."""
        request = asked.request
        issuance, token, findings = identify(self._reading.view, seen.size, request)
        plans: dict[str, bytes] = {}
        if issuance is not None:
            plans = await self._reading.read_job(issuance, seen.size)
            if request.plan_hash is not None and request.plan_hash not in plans:
                text = await self._reading.plan(request.plan_hash)
                plans |= {} if text is None else {request.plan_hash: text}
        return Case(asked, seen.size, issuance, token, tuple(findings), plans)

    def judge(self, case: Case, at_ns: int) -> Judged:
        """The judgement at `at_ns`, on the view that the case was prepared on and on the restrictions handed in by now."""
        issuance = case.issuance
        if issuance is None:
            return Judged(case.asked, Judgement(case.findings))
        view = self._reading.view

        def judge_on(on: LogView) -> Judgement:
            return judge(_question(case, issuance, on, size=case.size if on is view else on.size, at_ns=at_ns))

        judgement = judge_on(view)
        found = self._restrictions.add_findings(judgement.findings, lambda on: judge_on(on).findings)
        more = (*case.findings, *(one for one in found if one not in judgement.findings))
        return Judged(case.asked, with_findings(judgement, more), case.token, issuance.record.job_id)


def _question(case: Case, issuance: Logged, view: LogView, *, size: int, at_ns: int) -> Question:
    request = case.asked.request
    return Question(
        view=view,
        size=size,
        at_ns=at_ns,
        issuance=issuance,
        action=request.action,
        plans=case.plans,
        plan_hash=request.plan_hash,
        simulation=request.simulation,
        closing_reason=request.closing_reason,
    )
