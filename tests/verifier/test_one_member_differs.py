"""A bundle, the end that it names and the allow to close agree member by member: no two of them speak for the third."""

from __future__ import annotations

from typing import Any

import pytest

from tests.verifier.adversary.test_bundles import BUNDLE, changed
from tests.verifier.changebuilder import ROLE_KEYS, Change, shared_refs
from tests.verifier.judging import setting, verdict
from tests.verifier.logbuilder import hash_of

OTHER = {
    "ticket": "jira.example:CHG-8",
    "run_id": "run-8",
    **{name: hash_of(b"x") for name in ("policy_hash_b64u", "plan_hash_b64u", "token_scope_hash_b64u")},
}


def told(change: Change) -> set[str]:
    return {f"{check.full_name} {check.code}" for check in verdict(change.build()).checks}


@pytest.mark.parametrize("name", OTHER)
def test_bundle_and_end_are_of_another(name: str) -> None:
    """They agree with each other, and not with what is closed."""
    members = {name: OTHER[name]}
    change = Change(edit={"end": setting(**members), "bundle": changed(**members)})
    assert f"{BUNDLE} BUNDLE_MISMATCH" in told(change)


@pytest.mark.parametrize("name", OTHER)
def test_the_end_alone_is_of_another(name: str) -> None:
    assert f"{BUNDLE} BUNDLE_MISMATCH" in told(Change(edit={"end": setting(**{name: OTHER[name]})}))


@pytest.mark.parametrize("job", ["job-7", "job-8"])
def test_the_end_is_of_another_job(job: str) -> None:
    """The runner logs an end for another job, which nobody judges here; the bundle names it, as of that job or of this."""
    decision = hash_of(b"a decision of the other job")

    def elsewhere(change: Change) -> None:
        payload = change.header("execution", "elsewhere") | change.shared()
        payload |= {"phase": "end", "job_id": "job-8", "decision_b64u": decision, "begin_b64u": change.hashes["begin"]}
        payload |= {"environment": change.plan["environment"], "outcome": "success"}
        change.put("elsewhere", "execution", payload, ROLE_KEYS["runners"], shared_refs)
        members: dict[str, Any] = {"job_id": job, "decision_b64u": decision, "execution_b64u": change.hashes["elsewhere"]}
        change.edit["bundle"] = changed(**members)

    found = told(Change(before={"bundle": elsewhere}))
    assert {line for line in found if not line.endswith("None")} == {f"{BUNDLE} BUNDLE_MISMATCH"}
