"""An end is of the begin that it names, under the one decision of both."""

from __future__ import annotations

from tests.verifier.adversary.test_bundles import STRANGER, changed
from tests.verifier.adversary.test_steps import allow_again, view_of
from tests.verifier.changebuilder import Change, at
from tests.verifier.judging import setting, verdict


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
    assert found >= {"execution.begin None", "execution.end None"}


def test_a_begin_under_a_decision_that_is_void_says_why_it_is() -> None:
    found = told(Change(signer={"decide_execute": STRANGER}))
    assert found >= {"execution.begin SIGNER_NOT_TRUSTED", "execution.end SIGNER_NOT_TRUSTED"}


def test_a_begin_under_a_deny() -> None:
    denied = setting(decision="deny", reasons=[{"code": "PLAN_DENIED", "detail": "test"}])
    assert "execution.begin DECISION_INVALID" in told(Change(edit={"decide_execute": denied}))


def test_a_begin_below_the_decision_that_it_names() -> None:
    """The runner knows which bytes the decision will have, whose view is older than the begin."""

    def decide_on(change: Change) -> None:
        change.edit["decide_execute"] = view_of(change, change.log.size)

    decided = Change(before={"decide_execute": decide_on}).build().hashes["decide_execute"]

    def begin_first(change: Change) -> None:
        decide_on(change)
        change.hashes["decide_execute"] = decided
        change.edit["begin"] = setting(issued_at=at(change.clock + 2))
        change._begin("begin")

    change = Change(skip={"begin"}, before={"decide_execute": begin_first})
    found = told(change)
    assert change.hashes["decide_execute"] == decided
    assert "execution.begin DECISION_INVALID" in found
