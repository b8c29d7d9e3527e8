"""Names as long as they may be: their refs are hashes then, and the gate must find and compare them all the same."""

from __future__ import annotations

import pytest

from tests.unit.gate.story import CLOSE, Story

LONG = "n" * 128


@pytest.mark.parametrize(("job", "run"), [(LONG, "run"), ("job", LONG), (LONG, LONG)])
def test_a_change_whose_names_are_long_may_be_closed(job: str, run: str) -> None:
    assert Story(job=job, run=run).up_to_closing().codes(CLOSE) == set()


def test_one_run_holds_where_names_are_long() -> None:
    story = Story(job="job", run=LONG).up_to_closing()
    story.run = LONG[1:]
    story.call_model()
    assert story.codes(CLOSE) == {"RUN_MISMATCH"}
