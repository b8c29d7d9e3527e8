"""The decision: a pure function from a view of the log, a request and a time to allow or deny.

Everything missing, stale, unreadable or undecidable is a deny. The same function judges a request now and an allow that is
already logged, at its own index, when a later act relies on it.

Three steps: establish the facts (:mod:`trustlog.gate.establish`), hold them against every rule (:mod:`trustlog.policy.rules`), and
collect the evidence (:mod:`trustlog.gate.evidence`). A request is held against :mod:`trustlog.gate.pending` too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from trustlog.gate.establish import Established, establish
from trustlog.gate.evidence import collect_evidence, find_omitted
from trustlog.gate.logged import Logged
from trustlog.gate.pending import find_pending
from trustlog.gate.question import Judged, Judgement, Question
from trustlog.gate.view import LogView, Sightings
from trustlog.policy.facts import DecisionFact, Missing
from trustlog.policy.finding import Finding
from trustlog.policy.rules import check_logged_allow, check_question, find_demand
from trustlog.policy.rules.decision import decision_says_what_the_log_has
from trustlog.policy.rules.rule import CLOSE, closes
from trustlog.policy.rules.token import token_not_logged
from trustlog.records.fields import UnsetType

__all__ = ["Judgement", "Question", "judge", "judge_logged_allow"]


def judge(question: Question) -> Judgement:
    """The judgement of one question."""
    established = _establish(question)
    facts, job = established.facts, established.job
    demand = find_demand(facts)
    is_closing = demand is not None and (demand.action == CLOSE or closes(demand))
    pending = find_pending(job, established.entries, question.action, is_closing=is_closing, at_ns=question.at_ns)
    return _judgement(established, (*check_question(facts), *pending))


def judge_logged_allow(
    view: LogView, allow: Logged, plans: Mapping[str, bytes], judged: Judged | None = None
) -> tuple[Finding, ...]:
    """What stands against an allow that is in the log, judged at its own index: nothing, if it was well founded.

    What permits must stand below the view that the gate had read, what restricts counts below the decision's index: so it is
    judged at both. `judged` is where the answer is remembered.
    """
    judged = {} if judged is None else judged
    if _is_known_to_hold(view, allow, plans):
        return ()
    if allow.index not in judged:
        judged[allow.index] = tuple(dict.fromkeys(_against_logged_allow(view, allow, plans, judged)))
        if not judged[allow.index]:
            view.well_founded[allow.index] = _sightings(view, allow)
    return judged[allow.index]


def _is_known_to_hold(view: LogView, allow: Logged, plans: Mapping[str, bytes]) -> bool:
    """Whether it was judged before, and all that could be otherwise since is as it was: sightings, and the plan at hand."""
    known = view.well_founded.get(allow.index)
    has_plan = allow.record.scope["plan_hash_b64u"] in plans
    return known is not None and has_plan and all(view.seen_by(index) == seen_ns for index, seen_ns in known)


def _sightings(view: LogView, allow: Logged) -> Sightings:
    """When witnesses had seen the approvals of the job of a logged allow: their age is counted from there."""
    job_entries = view.sharing("token_scope", allow.record.token_scope_hash_b64u, allow.index)
    return tuple((one.index, view.seen_by(one.index)) for one in job_entries if one.kind == "human_approval_receipt")


def _against_logged_allow(view: LogView, allow: Logged, plans: Mapping[str, bytes], judged: Judged) -> Iterator[Finding]:
    record = allow.record
    decision = DecisionFact(
        index=allow.index,
        view_size=record.view.size,
        scope=record.scope,
        run_id=record.run_id,
        roster_b64u=record.roster_b64u,
        token_scope_hash_b64u=record.token_scope_hash_b64u,
        approvals=frozenset(record.approvals),
        misstated=view.misstated.get(allow.index, ()),
    )
    if record.view.size > allow.index:
        yield from decision_says_what_the_log_has.check(decision)
        return
    issued = view.valid("token_issued", "token", record.token_hash, record.view.size)
    if not issued:
        yield token_not_logged(record.token_hash)
        return
    for size in sorted({record.view.size, allow.index}):
        established = _establish(_question_of(view, allow, plans, judged, issuance=issued[0], size=size))
        if size == record.view.size:
            decision = replace(decision, omitted=find_omitted(allow, _evidence(established)))
        facts = replace(established.facts, decision=decision)
        yield from check_question(facts)
        yield from check_logged_allow(facts)


def _question_of(
    view: LogView, allow: Logged, plans: Mapping[str, bytes], judged: Judged, *, issuance: Logged, size: int
) -> Question:
    """The question that a logged allow answered."""
    record = allow.record
    return Question(
        view=view,
        size=size,
        at_ns=record.decided_at.ns,
        issuance=issuance,
        action=record.scope["action"],
        plans=plans,
        plan_hash=record.scope["plan_hash_b64u"],
        simulation=record.scope["simulation_b64u"],
        closing_reason=None if isinstance(record.closing_reason, UnsetType) else record.closing_reason,
        answered=allow,
        judged=judged,
    )


def _establish(question: Question) -> Established:
    return establish(question, lambda allow: judge_logged_allow(question.view, allow, question.plans, question.judged))


def _judgement(established: Established, findings: tuple[Finding, ...]) -> Judgement:
    facts = established.facts
    return Judgement(
        findings=findings,
        scope=dict(established.scope),
        run_id=established.run_id,
        roster_b64u=None if isinstance(facts.roster, Missing) else facts.roster.payload_hash,
        approvals=() if isinstance(facts.counted, Missing) else tuple(one.payload_hash for one in facts.counted.approvals),
        evidence=tuple(_evidence(established)),
        is_logged=established.is_logged,
    )


def _evidence(established: Established) -> list[Logged]:
    scope = established.facts.scope
    return collect_evidence(
        established.job,
        run_id=established.run_id,
        scope_hash=None if isinstance(scope, Missing) else scope.scope_hash,
        plan_hash=established.scope.get("plan_hash_b64u"),
    )
