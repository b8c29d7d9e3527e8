"""Rule of one allow about denials: one of the job ends it for ever, one of the plan's bytes stays in every job."""

from __future__ import annotations

from verifier.change.absence import check_absent
from verifier.change.case import Allow, Case
from verifier.change.findings import Findings
from verifier.errors import Refused
from verifier.ledger.logged import State


def check_denials(case: Case, findings: Findings, allow: Allow) -> None:
    """No denial below the decision is of the job or of the plan."""
    adverse = _find_denial(case, allow)
    expected = "neither job nor plan denied"
    check_absent(case, findings, allow, "approvals.not_denied", expected=expected, adverse=adverse)


def _find_denial(case: Case, allow: Allow) -> Refused | None:
    """The first denial below the decision that counts, or approval that cannot be read, which counts as one.

    It is of the job by its token scope or by the scope of any decision of the job so far. A run alone ties nothing.
    """
    denials = [item for item in case.denials if item.index < allow.index]
    if not denials:
        return None
    scopes = {
        decision.scope_hash()
        for item, decision in case.decisions
        if item.index <= allow.index and decision.scope.get("job_id") == case.job_id
    }
    for item in denials:
        is_of_plan = item.ref("plan") == allow.scope.plan_hash_b64u
        is_of_job = item.ref("scope") in scopes or item.ref("token_scope") in case.token_scopes
        if is_of_plan or is_of_job:
            found = f"denied at index {item.index}"
            if item.state is State.UNREAD:
                found += ", by an approval that cannot be read"
            return Refused("JOB_DENIED", "job", found=found) if is_of_job else Refused("PLAN_DENIED", "plan", found=found)
    return None
