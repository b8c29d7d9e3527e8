"""An end is of the begin that it names, under the one decision of both."""

from __future__ import annotations

from tests.verifier.adversary.test_bundles import changed
from tests.verifier.adversary.test_steps import allow_again
from tests.verifier.changebuilder import Change
from tests.verifier.judging import verdict


def told(change: Change) -> set[str]:
    return {f"{check.full_name} {check.code}" for check in verdict(change.build()).checks}


def test_an_end_under_another_decision_than_its_begin() -> None:
    """Both allow the same; only one was used."""

    def again(change: Change) -> None:
        allow_again(change)
        decision = change.hashes["decide_again"]
        change.edit["end"] = lambda payload: payload.update(decision_b64u=decision)
        change.edit["bundle"] = changed(decision_b64u=decision)

    found = told(Change(before={"end": again}))
    assert {line for line in found if not line.endswith("None")} == {"execution.end EXECUTION_MISMATCH"}


def test_a_second_allow_that_nobody_used_is_no_matter() -> None:
    found = told(Change(before={"end": allow_again}))
    assert {line for line in found if not line.endswith("None")} == set()
