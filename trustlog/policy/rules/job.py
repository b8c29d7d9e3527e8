"""Rules about the job: one cycle, one run, open, and everything that the log holds of it readable."""

from __future__ import annotations

from collections.abc import Iterator

from trustlog.formats.entry import ref_value
from trustlog.limits import MAX_SKEW_AHEAD_S
from trustlog.policy.facts import DenialFact, JobFact, SimulationFact
from trustlog.policy.finding import Finding
from trustlog.policy.rules.rule import is_decided, rule
from trustlog.records.token_issued import TokenIssued

AFTER_A_FALSE_DECISION = (
    "Tell the auditors, and the operator of the gate that signed it. No change that this decision is part of passes the verifier:"
    " start another job, with another plan if it is about this plan: trustlog token mint --job NEW-ID …"
)
NAMES_A_RUN = frozenset({"gateway_receipt", "tool_receipt", "side_effect_receipt", "simulation", "execution", "closure"})


@rule("PAYLOAD_UNREADABLE", enforces=["reading: everything unreadable is deny"])
def job_is_readable(job: JobFact) -> Iterator[Finding]:
    """Everything that the log holds of the job, and every roster, can be read.

    “Everything missing, stale, unreadable or undecidable is *deny*.” An approval that cannot be read counts as a denial.
    """
    for one in job.unreadable:
        step = f"Ask the log's operator for the payload of the entry at index {one.index}; while it is absent, nothing is allowed."
        yield Finding("PAYLOAD_UNREADABLE", f"the payload of the {one.kind} at index {one.index}", "none", step)


@rule(
    "JOB_REVOKED",
    "TOKEN_REVOKED",
    "APPROVAL_REVOKED",
    enforces=["revocation: job, token, used approval", "job: ends for ever"],
)
def job_is_not_revoked(job: JobFact, token: TokenIssued) -> Iterator[Finding]:
    """Neither the job, nor a token of it, nor an approval that it used was revoked.

    “A counted denial of the job, or a revocation of the job, of any of its tokens or of a used approval, ends the job for
    ever.”
    """
    for one in job.revocations:
        sort, _, subject = one.target.partition(":")
        at = f"revocation at index {one.index}"
        match sort:
            case "job":
                yield _ended("JOB_REVOKED", f"job {subject} to stand", f"its {at}", token, "A token issuer revoked it")
            case "token":
                why = "A token issuer revoked a token of it"
                yield _ended("TOKEN_REVOKED", "every token of the job to stand", f"a {at}", token, why)
            case _:
                found = f"the {at} of approval {subject}, which an allow had used"
                why = "An approval that it had used was revoked"
                yield _ended("APPROVAL_REVOKED", "every used approval to stand", found, token, why)


@rule("JOB_DENIED", enforces=["denial: of the job"])
def job_is_not_denied(job: JobFact, token: TokenIssued) -> Iterator[Finding]:
    """No person has denied the job.

    “A denial (`explicit_deny`, `timeout_deny`) counts, on every decision with a higher index, when … its scope hash is
    that of a decision of the job …, or its token scope hash is the job's (it ends the job).”
    """
    for one in job.denials:
        who = one.subject or "An approver whose record cannot be read"
        why = f"{who} denied it (ask why)"
        yield _ended("JOB_DENIED", f"no denial of job {token.job_id}", _said(one), token, why)


@rule("JOB_ENDED", enforces=["job: one cycle"])
def job_is_open(job: JobFact, token: TokenIssued) -> Iterator[Finding]:
    """The job was not closed.

    “Job = cycle … only a job id never seen before starts another.”
    """
    for index in job.closures:
        found = f"its closure at index {index}"
        yield _ended("JOB_ENDED", f"job {token.job_id} to be open", found, token, "Its ticket was closed")


@rule("PLAN_DENIED", enforces=["denial: of the plan's bytes, in every job"])
def plan_is_not_denied(job: JobFact) -> Iterator[Finding]:
    """No person has denied these plan bytes, in whatever job.

    “… or its plan hash is the decision's (those bytes stay denied in every job).”
    """
    for one in job.plan_denials:
        step = f"Ask {one.subject or 'the approver'} what is wrong with it; change the plan, then simulate it: trustlog simulate."
        yield Finding("PLAN_DENIED", "no denial of these plan bytes in any job", _said(one), step)


@rule("RUN_MISMATCH", enforces=["job: one run"], applies=is_decided)
def job_names_one_run(job: JobFact, simulation: SimulationFact, token: TokenIssued) -> Iterator[Finding]:
    """All records of the job name one run.

    “All receipts and records of a job name one run; else every later decision of it is a deny (`RUN_MISMATCH`).”
    """
    run_id = simulation.record.run_id
    run_ref = ref_value(run_id)
    for one in job.records:
        if one.run_ref != run_ref and (one.run_ref is not None or one.kind in NAMES_A_RUN):
            found = f"the {one.kind} at index {one.index} naming {one.run_ref or 'none'}"
            yield _ended("RUN_MISMATCH", f"run {run_id} throughout the job", found, token, "It mixes runs")


@rule(
    "VIEW_INVALID",
    "EVIDENCE_INCOMPLETE",
    enforces=["decision: its view and its evidence are this log's"],
    applies=is_decided,
)
def decisions_say_what_the_log_has(job: JobFact) -> Iterator[Finding]:
    """No decision about the job or its plan was made on another tree than this log's, or lists what is not there.

    “FAIL: anything readable that lies.” Whoever verifies the change finds such a decision in it, be it a deny.
    """
    for one in job.misstated:
        yield Finding(one.code, one.expected, f"{one.found}, in the decision at index {one.index}", AFTER_A_FALSE_DECISION)


@rule("DECISION_IN_FUTURE", enforces=["decision: no later than now"], applies=is_decided)
def allows_are_not_ahead(job: JobFact) -> Iterator[Finding]:
    """No allow that something was begun under was decided at a time that is still to come.

    “UNDECIDED: … a decision later than `--at` by more than 300 s.” “Everything … undecidable is *deny*.”
    """
    for index, decided_at in job.ahead:
        step = "Ask again when that time has come, and have the clock of the gate that signed it looked after."
        yield Finding(
            "DECISION_IN_FUTURE", f"allows of at most {MAX_SKEW_AHEAD_S} s ahead", f"{decided_at} at index {index}", step
        )


def _ended(code: str, expected: str, found: str, token: TokenIssued, why: str) -> Finding:
    """A finding that no further record of this job can heal."""
    new = f"trustlog token mint --job NEW-ID --ticket {token.ticket} …"
    step = f"{why}, so job {token.job_id} is over for ever; for a new one the token issuer runs: {new}"
    return Finding(code, expected, found, step)


def _said(one: DenialFact) -> str:
    if one.denial_type is None:
        return f"the approval record at index {one.index}, whose payload cannot be read"
    return f"{one.denial_type} by {one.subject} at index {one.index}"
