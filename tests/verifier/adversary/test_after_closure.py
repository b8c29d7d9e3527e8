"""After the closure: the job has ended, and no allow of before carries anything more."""

from __future__ import annotations

from collections.abc import Callable

from tests.verifier.adversary.test_progress import allow_again
from tests.verifier.changebuilder import Change
from tests.verifier.judging import assert_fails, assert_passes, verdict

# A second allow to execute, alive when the ticket is closed.
HELD_BACK: dict[str, Callable[[Change], object]] = {"bundle": allow_again}


def test_a_second_allow_that_nothing_uses_passes() -> None:
    assert_passes(verdict(Change(before=HELD_BACK).build()))


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
    def close_again(change: Change) -> None:
        change.edit["bundle"] = lambda payload: payload.update(bundle_id="another")
        change._bundle("bundle")
        for person in ("1", "2"):
            change._approve(f"again {person}", "ticket.close")
            change.hashes[f"approve_close_{person}"] = change.hashes[f"again {person}"]
        change._decide_close("decide_close")
        change._closure("closure_2")

    pack = Change(before={"after": close_again}).build().pack()
    del pack["subject"]["bundle"]  # which names one of them, and then the other is foreign
    assert_fails(verdict(pack), "JOB_ENDED")
