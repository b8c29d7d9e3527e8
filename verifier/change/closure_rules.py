"""Rules of the closure: under an allow to close, of its bundle, in time, while nothing of its job runs; and it ends the job."""

from __future__ import annotations

from verifier.change.case import Case, Ran
from verifier.change.execution_rules import decision_named, lateness, say_decision, withdrawal
from verifier.change.findings import Findings
from verifier.change.job_rules import outcome_unknown
from verifier.errors import Refused
from verifier.ledger.history import History
from verifier.ledger.logged import Logged
from verifier.records.closure import Closure
from verifier.records.conflicts import BUNDLE_KEY
from verifier.records.policy import CLOSE

_AFTERWARDS = "that nothing of the job was executed after its closing was decided: only the whole log would show it"


def check_closures(case: Case, findings: Findings) -> None:
    """The job is closed, and each closure of it carries. Without one the change is undecided."""
    closures = [(item, record) for item, record in case.closures if record.job_id == case.job_id]
    if not closures:
        _report_none(case, findings)
        return
    good = []
    for item, record in closures:
        fault = closure_fault(case.history, item, record) or running_fault(case, item, record)
        if fault is not None:
            findings.refused("execution.closure", fault, index=item.index)
        else:
            findings.passed("execution.closure", record.closing_reason[:200], index=item.index)
            good.append(item)
    if case.history.complete_to is None:
        findings.not_proven.append(_AFTERWARDS)
    if good:
        _check_ended(case, findings, good[0].index, good[1:])


def running_fault(case: Ran, item: Logged, record: Closure) -> Refused | None:
    """Whether something of the job is running at a closure, or ran since it was decided. The closure keeps its own rules."""
    return outcome_unknown(case, item.index) or _begun(case, item, record)


def _begun(case: Ran, item: Logged, record: Closure) -> Refused | None:
    """What began after closing was decided: no bundle tells of it."""
    decided = case.history.find("gate_decision", record.decision_b64u)
    assert decided is not None, "the closure stands under it"
    between = [begin.index for begin, _ in case.begins if decided.index < begin.index < item.index]
    if not between:
        return None
    expected, found = "none between the decision and the closure", f"one at index {between[0]}"
    return Refused("CLOSURE_INVALID", "begin of an execution", expected=expected, found=found)


def _check_ended(case: Case, findings: Findings, closed: int, again: list[Logged]) -> None:
    """A closure ends its job: nothing of it is executed or closed at a higher index, whatever was allowed before."""
    late = [item for item, _ in case.begins if item.index > closed] + again
    for item in late:
        what = "a second closure" if item in again else "a begin"
        expected = f"nothing of job {case.job_id} after its closure at index {closed}"
        findings.failed("execution.after_closure", "JOB_ENDED", expected=expected, found=what, index=item.index)


def _report_none(case: Case, findings: Findings) -> None:
    for item in case.history:
        if item.entry.kind == "closure" and item.ref("job") == case.job_ref and item.fault is not None:
            fault = item.fault
            if fault.detail == BUNDLE_KEY:
                fault = Refused(
                    "BUNDLE_ALREADY_USED", "bundle_b64u", expected="one that closed nothing yet", found=fault.found
                )
            findings.refused("execution.closure", fault, index=item.index)
            return
    findings.undecided("execution.closure", "CLOSURE_MISSING", expected=f"a closure of job {case.job_id}", found="none")


def closure_fault(history: History, item: Logged, record: Closure) -> Refused | None:
    """Why a closure is not valid, or None."""
    named = decision_named(history, record.decision_b64u)
    if isinstance(named, Refused):
        return named
    logged, decision = named
    if not decision.is_allow or decision.scope["action"] != CLOSE or logged.index >= item.index:
        wanted = f"an allow of {CLOSE} at a lower index"
        return Refused("CLOSURE_INVALID", "decision_b64u", expected=wanted, found=say_decision(logged, decision))
    for what, expected, found in (
        ("ticket", decision.scope.get("ticket"), record.ticket),
        ("job_id", decision.scope.get("job_id"), record.job_id),
        ("run_id", decision.run_id, record.run_id),
        ("bundle_b64u", decision.scope.get("bundle_b64u"), record.bundle_b64u),
        ("closing_reason", decision.closing_reason, record.closing_reason),
    ):
        if expected != found:
            return Refused("CLOSURE_INVALID", what, expected=expected or "nothing", found=found[:200] or "nothing")
    return (
        withdrawal(history, logged, item.index)
        or lateness(decision, "issued_at", record.issued_at)
        or lateness(decision, "closed_at", record.closed_at)
    )
