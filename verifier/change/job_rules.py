"""Rules of one allow about its job: one run, the round, nothing revoked, no outcome unknown."""

from __future__ import annotations

from verifier.change.absence import adverse_at, check_absent
from verifier.change.case import Allow, Case, Ran
from verifier.change.findings import Findings
from verifier.entry import ref_value
from verifier.errors import Refused
from verifier.records.policy import CLOSE, EXECUTE


def check_run_and_round(case: Case, findings: Findings, allow: Allow) -> None:
    """Everything of the job names one run, and the round is one more than the allows so far."""
    expected = "one run in all records of the job"
    check_absent(case, findings, allow, "policy.one_run", expected=expected, adverse=_another_run(case, allow))
    expected_round, wrong = str(case.rounds[allow.index]), None
    if allow.scope.round != expected_round:
        wrong = Refused("ROUND_MISMATCH", "round", expected=expected_round, found=allow.scope.round)
    expected = "no earlier allow besides those that its round counts"
    check_absent(case, findings, allow, "policy.round", expected=expected, adverse=wrong)


def _another_run(case: Case, allow: Allow) -> Refused | None:
    """The first record of the job that does not name the decision's run, though its kind names one."""
    run = ref_value(allow.decision.run_id or "")
    other = next(((named, item) for named, item in case.runs_named.items() if named != run), None)
    if other is None or other[1].index >= allow.index:
        return None
    named, item = other
    where = f"run of the {item.entry.kind} at index {item.index}"
    return Refused("RUN_MISMATCH", where, expected=run, found=named or "none")


def check_job_open(case: Case, findings: Findings, allow: Allow) -> None:
    """Neither the job, nor any of its tokens, nor an approval that it used was revoked; no outcome is unknown."""
    check_absent(
        case,
        findings,
        allow,
        "policy.job_not_revoked",
        expected="job, tokens and used approvals not revoked",
        adverse=_job_revoked(case, allow),
    )
    if allow.scope.action in (EXECUTE, CLOSE) or allow.scope.bundle_b64u is not None:
        check_absent(
            case,
            findings,
            allow,
            "policy.outcome_known",
            expected="no begin without end or resolution",
            adverse=outcome_unknown(case, allow.index),
        )


def _job_revoked(case: Case, allow: Allow) -> Refused | None:
    at = case.history.revocations.first_below(f"job:{case.job_id}", allow.index)
    revoked = adverse_at("JOB_REVOKED", "job", "revoked", at)
    parts = [part for part in case.revoked_parts if max(part.index, part.revoked_at) < allow.index]
    return revoked or next((adverse_at(part.code, part.what, "revoked", part.revoked_at) for part in parts), None)


def outcome_unknown(case: Ran, index: int) -> Refused | None:
    """The first begin of the job below `index` that has neither an end nor a resolution there."""
    begun = next((begun for begun, known in case.unknown_outcomes if begun < index <= known), None)
    if begun is None:
        return None
    where, expected = f"begin at index {begun}", "an end or a resolution of it"
    return Refused("EXECUTION_OUTCOME_UNKNOWN", where, expected=expected, found="neither")
