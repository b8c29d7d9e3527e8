"""Around the closure: nothing of the job is running at it, the job has ended after it, and no allow of before carries more."""

from __future__ import annotations

from collections.abc import Callable

from tests.verifier.adversary.test_steps import allow_again
from tests.verifier.changebuilder import Change
from tests.verifier.judging import assert_fails, assert_passes, verdict
from tests.verifier.test_used_again import closed_again

# A second allow to execute, alive when the ticket is closed.
HELD_BACK: dict[str, Callable[[Change], object]] = {"bundle": allow_again}


def test_a_second_allow_that_nothing_uses_passes() -> None:
    assert_passes(verdict(Change(before=HELD_BACK).build()))


def begin_again(change: Change) -> None:
    change.hashes["decide_execute"] = change.hashes["decide_again"]
    change._begin("begin")


def test_a_closure_while_something_is_executed() -> None:
    """It began after the closing was decided, so nothing stood against the allow to close."""
    assert_fails(verdict(Change(before=HELD_BACK | {"closure": begin_again}).build()), "EXECUTION_OUTCOME_UNKNOWN")


def test_a_closure_before_the_end_of_what_is_executed() -> None:
    end_late: dict[str, Callable[[Change], object]] = {"after": lambda change: change._end("end_2")}
    change = Change(before=HELD_BACK | {"closure": begin_again} | end_late).build()
    assert_fails(verdict(change), "EXECUTION_OUTCOME_UNKNOWN")


def test_a_closure_whose_bundle_does_not_tell_of_what_began_after_the_decision() -> None:
    def run(change: Change) -> None:
        begin_again(change)
        change._end("end_2")

    assert_fails(verdict(Change(before=HELD_BACK | {"closure": run}).build()), "CLOSURE_INVALID")


def test_an_execution_that_begins_after_the_closure() -> None:
    def begin(change: Change) -> None:
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        change._begin("begin_2")

    assert_fails(verdict(Change(before=HELD_BACK | {"after": begin}).build()), "JOB_ENDED")


def test_an_execution_that_begins_and_ends_after_the_closure() -> None:
    def run(change: Change) -> None:
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        change._begin("begin")
        change._end("end_2")

    assert_fails(verdict(Change(before=HELD_BACK | {"after": run}).build()), "JOB_ENDED")


def test_a_second_closure_with_another_bundle() -> None:
    pack = Change(before={"after": closed_again}).build().pack()
    del pack["subject"]["bundle"]  # which names one of them, and then the other is foreign
    assert_fails(verdict(pack), "JOB_ENDED")
