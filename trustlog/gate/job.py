"""A job, as the log tells it: its terms, its entries, its decisions.

Job, ticket, policy, requester and agent come from the token's logged issuance, never from the caller. A job is one cycle: a
renewed token continues it; a denial, or a revocation of the job, of any of its tokens or of a used approval, ends it for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trustlog.evidence.change import SHARED
from trustlog.formats.entry import ref_value
from trustlog.formats.timestamp import NS
from trustlog.gate.logged import Logged
from trustlog.gate.standing import UNREADABLE, revocations
from trustlog.gate.view import LogView
from trustlog.limits import MAX_SKEW_AHEAD_S
from trustlog.policy.facts import DenialFact, JobFact, Misstatement, RecordFact, RevocationFact
from trustlog.records.approval import DENIALS
from trustlog.records.token_issued import TokenIssued


@dataclass(frozen=True, slots=True)
class JobEntries:
    """The entries that their refs tie to a job, looked up once.

    ``every`` has the void ones too, in index order; ``by_kind`` the valid ones that name the job; ``receipts`` the valid gateway
    receipts with its token scope.
    """

    every: tuple[Logged, ...]
    by_kind: Mapping[str, list[Logged]]
    receipts: tuple[Logged, ...]

    def valid(self, kind: str) -> list[Logged]:
        """The valid records of a kind that name the job."""
        return self.by_kind.get(kind, [])

    def decisions(self, wanted: str) -> list[Logged]:
        """The job's valid decisions: ``allow`` or ``deny``."""
        return [one for one in self.valid("gate_decision") if one.record.decision == wanted]

    def next_round(self, action: str) -> str:
        """1 + the number of allows of this action, whether used, expired, withdrawn or ill-founded."""
        return str(1 + sum(1 for one in self.decisions("allow") if one.record.scope["action"] == action))


@dataclass(frozen=True, slots=True)
class Job:
    """The job of one token, looked at below `size`."""

    view: LogView
    size: int
    issuance: Logged

    @property
    def terms(self) -> TokenIssued:
        """The issuance of the token at hand."""
        record: TokenIssued = self.issuance.record
        return record

    def entries(self) -> JobEntries:
        """Every entry of the job, as the view has it now."""
        terms = self.terms
        named = list(self.view.sharing("job", terms.job_id, self.size))
        scoped = list(self.view.sharing("token_scope", terms.token_scope_hash_b64u, self.size))
        found = {one.index: one for one in (*named, *scoped)}
        by_kind: dict[str, list[Logged]] = {}
        for one in named:
            if one.candidate is not None:
                by_kind.setdefault(one.kind, []).append(one)
        receipts = tuple(one for one in scoped if one.kind == "gateway_receipt" and one.candidate is not None)
        return JobEntries(tuple(found[index] for index in sorted(found)), by_kind, receipts)

    def withdrawal(self, decision: Logged, below: int) -> Logged | None:
        """The deny above an allow and below `below` that withdraws it."""
        withdrawals = self.view.withdrawals(decision.payload_hash, below)
        return next((one for one in withdrawals if one.index > decision.index), None)

    def receipts(self, below: int) -> list[Logged]:
        """Every valid gateway receipt below `below` with the job's token scope hash."""
        scope = self.terms.token_scope_hash_b64u
        return self.view.valid("gateway_receipt", "token_scope", scope, below)


def job_fact(
    job: Job, entries: JobEntries, *, scope_hash: str | None, plan_hash: str | None, now_ns: int | None = None
) -> JobFact:
    """What the rules need of a job. `scope_hash` is that of the scope asked for, `plan_hash` that of its plan, where known.

    `now_ns` is the time (nanoseconds since 1970), where the question is of now: allows can be ahead of that.
    """
    allows = entries.decisions("allow")
    return JobFact(
        revocations=tuple(_revocations(job, entries, allows)),
        denials=tuple(_denials(job, entries, scope_hash)),
        plan_denials=() if plan_hash is None else tuple(_said_no(job.view.sharing("plan", plan_hash, job.size))),
        closures=tuple(one.index for one in entries.valid("closure")),
        unreadable=tuple(_unreadable(job, entries)),
        records=tuple(_first_of_each_run(entries)),
        misstated=tuple(_misstated(job, entries, plan_hash)) if job.view.misstated else (),
        ahead=() if now_ns is None else tuple(_ahead(entries, now_ns)),
    )


def restrictions_of(job: Job, scope_hash: str, plan_hash: str) -> JobFact:
    """What the log holds by now against a job that has a decision."""
    return job_fact(job, job.entries(), scope_hash=scope_hash, plan_hash=plan_hash)


def _revocations(job: Job, entries: JobEntries, allows: list[Logged]) -> Iterator[RevocationFact]:
    targets = [f"job:{job.terms.job_id}"]
    targets += [f"token:{one.record.token_hash}" for one in entries.valid("token_issued")]
    targets += [f"approval:{name}" for name in sorted({name for allow in allows for name in allow.record.approvals})]
    for target in targets:
        for one in revocations(job.view, target, job.size):
            yield RevocationFact(target, one.index)


def _denials(job: Job, entries: JobEntries, scope_hash: str | None) -> Iterator[DenialFact]:
    """Denials of the job: tied to it by their refs, or by the scope of one of its decisions."""
    scopes = {one.refs["scope"] for one in entries.valid("gate_decision") if "scope" in one.refs}
    if scope_hash is not None:
        scopes.add(scope_hash)
    tied = {one.index: one for scope in scopes for one in job.view.sharing("scope", scope, job.size)}
    tied |= {one.index: one for one in entries.every}
    yield from _said_no(tied[index] for index in sorted(tied))


def _said_no(entries: Iterator[Logged]) -> Iterator[DenialFact]:
    """Those that are denials; an approval record that cannot be read counts as one."""
    for one in entries:
        if one.kind != "human_approval_receipt":
            continue
        if one.void == UNREADABLE:
            yield DenialFact(one.index)
        elif one.candidate is not None and one.record.approval_type in DENIALS:
            yield DenialFact(one.index, one.record.approval_type, one.record.approver_subject)


def _first_of_each_run(entries: JobEntries) -> Iterator[RecordFact]:
    """The first entry of each kind and run: a job of many model calls has many receipts of one run.

    Violations tell what was seen, of whatever run, and change nothing.
    """
    first: dict[tuple[str, str | None], int] = {}
    for one in entries.every:
        if one.void is None and one.kind != "violation":
            first.setdefault((one.kind, one.refs.get("run")), one.index)
    return (RecordFact(index, kind, run) for (kind, run), index in first.items())


def _ahead(entries: JobEntries, now_ns: int) -> Iterator[tuple[int, str]]:
    """The allows that something was begun under and that say a time which no clock can say by now."""
    begun = {one.record.decision_b64u for one in entries.valid("execution")}
    for one in entries.decisions("allow"):
        if one.payload_hash in begun and one.record.decided_at.ns > now_ns + MAX_SKEW_AHEAD_S * NS:
            yield one.index, one.record.decided_at.text


def _misstated(job: Job, entries: JobEntries, plan_hash: str | None) -> Iterator[Misstatement]:
    """What the decisions in a pack of the change say of the log, and is not so: those that share something with its records."""
    job_ref = ref_value(job.terms.job_id)
    mine = {("job", job_ref), ("token_scope", job.terms.token_scope_hash_b64u), ("plan", plan_hash)}
    for one in entries.every:
        if one.refs.get("job") == job_ref:
            mine.update((name, one.refs[name]) for name in SHARED.get(one.kind, ()) if name in one.refs)
    found: dict[Misstatement, None] = {}
    for index, misstated in job.view.misstated.items():
        decision = job.view.at(index) if index < job.size else None
        if decision is not None and not mine.isdisjoint(decision.refs.items()):
            found |= dict.fromkeys(misstated)
    yield from found


def _unreadable(job: Job, entries: JobEntries) -> Iterator[RecordFact]:
    """Records of the job, or of the rosters, whose payload cannot be had: nothing can be decided without them."""
    for one in (*entries.every, *job.view.of_kind("roster", job.size)):
        unread = one.void == UNREADABLE or (one.void is None and one.candidate is None)
        if unread and one.kind != "human_approval_receipt":  # an approval counts as a denial
            yield RecordFact(one.index, one.kind)
