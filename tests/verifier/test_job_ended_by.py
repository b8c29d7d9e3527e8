"""What ended a job before a decision, told by the check of it: the job, a token, an approval that it had used; in this order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.verifier.changebuilder import OWNER, ROLE_KEYS, Change, default_policy
from tests.verifier.judging import scoped, verdict

ISSUER = ROLE_KEYS["token_issuers"]
Act = Callable[[Change], object]


def told(change: Change, check: str) -> str | None:
    """The code of a check, None where nothing stands against it."""
    return next(one.code for one in verdict(change.build()).checks if one.full_name == check)


def job(change: Change) -> None:
    change.revoke("job", f"job:{change.job}", ISSUER)


def token(change: Change) -> None:
    change.revoke("token", f"token:{change.token_hash}", ISSUER)


def approval(change: Change) -> None:
    change.revoke("approval", f"approval:{change.hashes['approve_execute_1']}", OWNER)


@pytest.mark.parametrize(
    ("acts", "code"),
    [
        ((), None),
        ((job,), "JOB_REVOKED"),
        ((token,), "TOKEN_REVOKED"),
        ((approval,), "APPROVAL_REVOKED"),
        ((approval, token, job), "JOB_REVOKED"),
        ((approval, job), "JOB_REVOKED"),
        ((approval, token), "TOKEN_REVOKED"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_closing_after_what_was_used_is_revoked(acts: tuple[Act, ...], code: str | None) -> None:
    change = Change(before={"decide_close": lambda c: [act(c) for act in acts]})
    assert told(change, "policy.job_not_revoked[ticket.close]") == code


def test_of_two_used_approvals_that_are_revoked_one_is_told() -> None:
    def both(change: Change) -> None:
        approval(change)
        change.revoke("other", f"approval:{change.hashes['approve_execute_2']}", ROLE_KEYS["roster_authorities"])

    change = Change(before={"decide_close": both}).build()
    found = [check.found for check in verdict(change).checks if check.full_name == "policy.job_not_revoked[ticket.close]"]
    first = change.hashes["approve_execute_1"]
    assert found == [f"approval {first}: revoked at index {change.log.index_of(change.hashes['approval'])}"]


def test_an_approval_is_used_by_what_was_decided_and_not_by_what_is() -> None:
    """That it does not count for this decision is another check: the job goes on with other approvals."""
    change = Change(before={"decide_execute": approval})
    assert told(change, "policy.job_not_revoked[change.execute]") is None
    assert told(Change(before={"decide_execute": approval}), "policy.job_not_revoked[ticket.close]") == "APPROVAL_REVOKED"


def test_closing_without_a_bundle_while_an_outcome_is_unknown() -> None:
    policy = default_policy()
    policy["enforcement"]["require_proof_bundle"] = False
    policy["tools"]["ticket.close"]["requires_proof_bundle_reference"] = False
    change = Change(policy=policy, skip={"end"})
    change.edit["decide_close"] = lambda p: (p["scope"].pop("bundle_b64u"), p.pop("closing_reason"))
    assert told(change, "policy.outcome_known[ticket.close]") == "EXECUTION_OUTCOME_UNKNOWN"


def test_executing_under_an_allow_of_another_job() -> None:
    change = Change(edit={"decide_execute": scoped(job_id="job-8")})
    assert told(change, "execution.begin") == "EXECUTION_MISMATCH"


@pytest.mark.parametrize(("number", "code"), [("1", None), ("2", "ROUND_MISMATCH")])
def test_the_first_allow_is_of_the_first_round(number: str, code: str | None) -> None:
    assert told(Change(edit={"decide_execute": scoped(round=number)}), "policy.round[change.execute]") == code
