"""Rules of one allow about its job: one run, the round, nothing revoked, no outcome unknown."""

from __future__ import annotations

from verifier.change.absence import adverse_at, check_absent
from verifier.change.case import Allow, Case
from verifier.change.findings import Findings
from verifier.entry import ref_value
from verifier.errors import Refused
from verifier.ledger.logged import Logged
from verifier.ledger.prepared import RECEIPTS
from verifier.records.policy import CLOSE, EXECUTE


def check_run_and_round(case: Case, findings: Findings, allow: Allow) -> None:
    """Everything of the job names one run, and the round is one more than the allows so far."""
    run_id = allow.decision.run_id or ""
    other = next(
        (item for item in case.history if item.index < allow.index and _names_another_run(case, item, run_id)), None
    )
    adverse = None
    if other is not None:
        adverse = Refused(
            "RUN_MISMATCH", "run", expected=run_id, found=f"{other.ref('run') or 'none'} at index {other.index}"
        )
    check_absent(case, findings, allow, "policy.one_run", expected="one run in all records of the job", adverse=adverse)
    before = [
        item for item, decision in case.allows if item.index < allow.index and decision.scope["action"] == allow.scope.action
    ]
    wrong = None
    if allow.scope.round != str(len(before) + 1):
        wrong = Refused("ROUND_MISMATCH", "round", expected=str(len(before) + 1), found=allow.scope.round)
    check_absent(case, findings, allow, "policy.round", expected="no earlier allow beyond its round", adverse=wrong)


def _names_another_run(case: Case, item: Logged, run_id: str) -> bool:
    """Whether a valid entry of the job names another run, or is a receipt that names none.

    A violation says what was seen, of whatever run; it changes no verdict.
    """
    if not item.is_valid or item.entry.kind == "violation" or not case.is_tied(item):
        return False
    run = item.ref("run")
    return item.entry.kind in RECEIPTS if run is None else run != ref_value(run_id)


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
    if allow.scope.action in (EXECUTE, CLOSE):
        check_absent(
            case,
            findings,
            allow,
            "policy.outcome_known",
            expected="no begin without end or resolution",
            adverse=outcome_unknown(case, allow.index),
        )


def _job_revoked(case: Case, allow: Allow) -> Refused | None:
    first_below = case.history.revocations.first_below
    revoked = adverse_at("JOB_REVOKED", "job", first_below(f"job:{case.job_id}", allow.index))
    for _, token in case.tokens:
        revoked = revoked or adverse_at("TOKEN_REVOKED", "token", first_below(f"token:{token.token_hash}", allow.index))
    for item, decision in case.allows:
        if item.index < allow.index:
            for approval in decision.approvals:
                used = first_below(f"approval:{approval}", allow.index)
                revoked = revoked or adverse_at("APPROVAL_REVOKED", "a used approval", used)
    return revoked


def outcome_unknown(case: Case, index: int) -> Refused | None:
    """A begin of the job below `index` that has neither end nor resolution there, or None."""
    ends = [(logged, end) for logged, end in case.executions if end.phase == "end"]
    for item, _ in case.begins:
        begin = item.entry.payload_hash_b64u
        ended = any(end.begin_b64u == begin and logged.index < index for logged, end in ends)
        resolved = any(record.begin_b64u == begin and logged.index < index for logged, record in case.resolutions)
        if item.index < index and not ended and not resolved:
            found = f"begin at index {item.index} without end"
            return Refused("EXECUTION_OUTCOME_UNKNOWN", "begin", expected="its end, or a resolution", found=found)
    return None
