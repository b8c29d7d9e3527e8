"""Rules of executions: a begin under a decision that carried it, and its end."""

from __future__ import annotations

from verifier.change.case import Case, Ran
from verifier.change.findings import Findings
from verifier.errors import Refused
from verifier.ledger.history import History
from verifier.ledger.logged import Logged
from verifier.records.decision import Decision
from verifier.records.execution import Execution
from verifier.records.policy import EXECUTE
from verifier.times import format_time


def decision_named(history: History, decision_b64u: str) -> tuple[Logged, Decision] | Refused:
    """The valid decision with this payload hash, or why there is none."""
    found = history.find("gate_decision", decision_b64u)
    if found is None:
        return Refused("DECISION_NOT_LOGGED", "decision_b64u", expected=f"a logged decision {decision_b64u}", found="none")
    if found.fault is not None or not isinstance(found.record, Decision):
        where = f"decision at index {found.index}"
        return found.fault or Refused("PAYLOAD_UNREADABLE", where, expected="its payload", found="none")
    return found, found.record


def say_decision(item: Logged, decision: Decision) -> str:
    """What a decision is, where another was expected."""
    return f"the {decision.decision} of {decision.requested.action[:64]} at index {item.index}"


def check_executions(case: Case, findings: Findings) -> None:
    """Every begin of the job stands under a valid allow, and every end under a valid begin."""
    for item, record in case.begins:
        fault = begin_fault(case.history, item, record)
        if fault is not None:
            findings.refused("execution.begin", fault, index=item.index)
            continue
        findings.passed("execution.begin", f"under decision {record.decision_b64u}", index=item.index)
    for item, record in case.executions:
        if record.phase != "end":
            continue
        fault = end_fault(case.history, item, record)
        if fault is not None:
            findings.refused("execution.end", fault, index=item.index)
            continue
        findings.passed("execution.end", f"outcome {record.outcome}", index=item.index)


def begin_fault(history: History, item: Logged, record: Execution) -> Refused | None:
    """Why a begin is not valid, or None."""
    named = decision_named(history, record.decision_b64u)
    if isinstance(named, Refused):
        return named
    logged, decision = named
    if not decision.is_allow or decision.scope["action"] != EXECUTE or logged.index >= item.index:
        expected = f"an allow of {EXECUTE} at a lower index"
        return Refused("DECISION_INVALID", "decision_b64u", expected=expected, found=say_decision(logged, decision))
    return (
        mismatch(record, decision)
        or withdrawal(history, logged, item.index)
        or lateness(decision, "issued_at", record.issued_at)
    )


def end_fault(history: History, item: Logged, record: Execution) -> Refused | None:
    """Why an end is not valid, or None. A withdrawal after the begin does not touch it."""
    named = decision_named(history, record.decision_b64u)
    if isinstance(named, Refused):
        return named
    begin = history.find("execution", record.begin_b64u or "")
    started = begin.record if begin is not None else None
    if (
        begin is None
        or not isinstance(started, Execution)
        or (started.phase, started.decision_b64u) != ("begin", record.decision_b64u)
        or begin.index >= item.index
    ):
        found = "no such entry" if begin is None else f"entry {begin.index}, which is none"
        expected = "a begin of the same decision at a lower index"
        return Refused("EXECUTION_MISMATCH", "begin_b64u", expected=expected, found=found)
    return begin_fault(history, begin, started) or mismatch(record, named[1])


def failure(case: Ran, end: Execution, decided: int) -> Refused | None:
    """Whether an execution that a bundle tells of, by its `end`, had failed by the index at which closing was decided."""
    resolved = case.is_resolved(end.begin_b64u, decided)
    if end.outcome == "success" and not resolved:
        return None
    expected = "an execution that ended with success"
    found = "one whose outcome somebody had to look into" if resolved else f"one with {end.outcome}"
    return Refused("EXECUTION_FAILED", "metadata.change.execution_b64u", expected=expected, found=found)


def later_begin(case: Ran, end: Execution, decided: int) -> Refused | None:
    """Whether it was not the job's last, when closing was decided: what was done last is in no bundle then."""
    begun = [(item.index, item.entry.payload_hash_b64u) for item, _ in case.begins if item.index < decided]
    if not begun or begun[-1][1] == end.begin_b64u:
        return None
    found = f"another began at index {begun[-1][0]}"
    return Refused("BUNDLE_MISMATCH", "metadata.change.execution_b64u", expected="the job's last execution", found=found)


def mismatch(record: Execution, decision: Decision) -> Refused | None:
    """Whether the members of a begin or end differ from those of the scope and decision."""
    scope = decision.scope
    for what, expected, found in (
        ("job_id", scope.get("job_id"), record.job_id),
        ("ticket", scope.get("ticket"), record.ticket),
        ("plan_hash_b64u", scope.get("plan_hash_b64u"), record.plan_hash_b64u),
        ("policy_hash_b64u", scope.get("policy_hash_b64u"), record.policy_hash_b64u),
        ("environment", scope.get("environment"), record.environment),
        ("run_id", decision.run_id, record.run_id),
        ("token_scope_hash_b64u", decision.token_scope_hash_b64u, record.token_scope_hash_b64u),
    ):
        if expected != found:
            return Refused("EXECUTION_MISMATCH", what, expected=expected, found=found)
    return None


def withdrawal(history: History, decision: Logged, index: int) -> Refused | None:
    """Whether a deny withdrew the decision before `index`."""
    at = history.withdrawn_between(decision.entry.payload_hash_b64u, decision.index, index)
    if at is None:
        return None
    where, expected = f"decision at index {decision.index}", "not withdrawn before it was used"
    return Refused("DECISION_WITHDRAWN", where, expected=expected, found=f"withdrawn at index {at}")


def lateness(decision: Decision, what: str, time_ns: int) -> Refused | None:
    """Whether a time lies outside decided_at…expires_at."""
    if decision.decided_at <= time_ns <= decision.expires_at:
        return None
    return Refused(
        "DECISION_EXPIRED",
        what,
        expected=f"from {format_time(decision.decided_at)} to {format_time(decision.expires_at)}, while the decision holds",
        found=format_time(time_ns),
    )
