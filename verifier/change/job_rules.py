"""Rules of one allow about its job: one run, the round, nothing revoked, no outcome unknown."""

from __future__ import annotations

from verifier.change.absence import adverse_at, check_absent
from verifier.change.case import Allow, Case
from verifier.change.findings import Findings
from verifier.entry import ref_value
from verifier.errors import Refused
from verifier.records.policy import CLOSE, EXECUTE

_NAMES_A_RUN = frozenset(("gateway_receipt", "tool_receipt", "side_effect_receipt", "simulation", "execution", "closure"))


def check_run_and_round(case: Case, findings: Findings, allow: Allow) -> None:
    """Everything of the job names one run, and the round is one more than the allows so far."""
    expected = "one run in all records of the job"
    check_absent(case, findings, allow, "policy.one_run", expected=expected, adverse=_another_run(case, allow))
    before = [
        item for item, decision in case.allows if item.index < allow.index and decision.scope["action"] == allow.scope.action
    ]
    wrong = None
    if allow.scope.round != str(len(before) + 1):
        wrong = Refused("ROUND_MISMATCH", "round", expected=str(len(before) + 1), found=allow.scope.round)
    check_absent(
        case, findings, allow, "policy.round", expected="no earlier allow besides those that its round counts", adverse=wrong
    )


def _another_run(case: Case, allow: Allow) -> Refused | None:
    """The first record of the job that does not name the decision's run, though its kind names one.

    A violation tells what was seen, of whatever run, and changes no verdict.
    """
    run = ref_value(allow.decision.run_id or "")
    for item in case.history:
        if not item.is_valid or item.index >= allow.index or not case.is_tied(item) or item.entry.kind == "violation":
            continue
        named = item.ref("run")
        if named != run and (named is not None or item.entry.kind in _NAMES_A_RUN):
            where = f"run of the {item.entry.kind} at index {item.index}"
            return Refused("RUN_MISMATCH", where, expected=run, found=named or "none")
    return None


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
    first_below = case.history.revocations.first_below
    revoked = adverse_at("JOB_REVOKED", "job", "revoked", first_below(f"job:{case.job_id}", allow.index))
    for token in [token for item, token in case.tokens if item.index < allow.index]:
        at = first_below(f"token:{token.token_hash}", allow.index)
        revoked = revoked or adverse_at("TOKEN_REVOKED", f"token {token.token_hash}", "revoked", at)
    for item, decision in case.allows:
        if item.index < allow.index:
            for approval in decision.approvals:
                used = first_below(f"approval:{approval}", allow.index)
                revoked = revoked or adverse_at("APPROVAL_REVOKED", f"approval {approval}", "revoked", used)
    return revoked


def outcome_unknown(case: Case, index: int) -> Refused | None:
    """The first begin of the job below `index` that has neither an end nor a resolution there."""
    ends = [(logged, end) for logged, end in case.executions if end.phase == "end"]
    for item, _ in case.begins:
        begin = item.entry.payload_hash_b64u
        ended = any(end.begin_b64u == begin and logged.index < index for logged, end in ends)
        resolved = any(record.begin_b64u == begin and logged.index < index for logged, record in case.resolutions)
        if item.index < index and not ended and not resolved:
            begun = f"begin at index {item.index}"
            return Refused("EXECUTION_OUTCOME_UNKNOWN", begun, expected="an end or a resolution of it", found="neither")
    return None
