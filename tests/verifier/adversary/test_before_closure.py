"""Between the closing decision and the closure: what begins there and has not ended blocks the closure."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.verifier.adversary.test_progress import allow_again
from tests.verifier.changebuilder import SECURITY, Change
from tests.verifier.judging import assert_fails, assert_passes, verdict

# A second allow to execute, alive when the ticket is closed.
HELD_BACK: dict[str, Callable[[Change], object]] = {"bundle": allow_again}
UNKNOWN = "execution.closure EXECUTION_OUTCOME_UNKNOWN"


def begin(change: Change) -> None:
    """Begin under the second allow; the closing decision had nothing of it in its view."""
    change.hashes["decide_execute"] = change.hashes["decide_again"]
    change._begin("begin")


def resolve(change: Change) -> None:
    payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "looked"}
    change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})


def closing(*acts: Callable[[Change], object], after: Callable[[Change], object] | None = None) -> Change:
    """A change in which `acts` stand right before the closure, and `after` behind it."""

    def run(change: Change) -> None:
        for act in acts:
            act(change)

    return Change(before=HELD_BACK | {"closure": run} | ({"after": after} if after else {})).build()


def test_an_execution_that_has_begun_and_not_ended_when_the_ticket_closes() -> None:
    assert_fails(verdict(closing(begin)), "EXECUTION_OUTCOME_UNKNOWN", UNKNOWN)


@pytest.mark.parametrize("late", [lambda c: c._end("end_2"), resolve], ids=["end", "resolution"])
def test_an_execution_whose_outcome_is_told_after_the_closure(late: Callable[[Change], object]) -> None:
    assert_fails(verdict(closing(begin, after=late)), "EXECUTION_OUTCOME_UNKNOWN", UNKNOWN)


@pytest.mark.parametrize("told", [lambda c: c._end("end_2"), resolve], ids=["end", "resolution"])
def test_an_execution_whose_outcome_is_known_when_the_ticket_closes_passes(told: Callable[[Change], object]) -> None:
    assert_passes(verdict(closing(begin, told)))
