"""Names as long as they may be: their refs are hashes then, and the rules must compare them all the same."""

from __future__ import annotations

import pytest

from tests.verifier.changebuilder import Change, default_plan
from tests.verifier.judging import assert_passes, verdict

LONG_TICKET = "s" * 64 + ":" + "t" * 128


@pytest.mark.parametrize("length", [96, 97, 128])
@pytest.mark.parametrize("member", ["job", "run"])
def test_a_change_whose_name_is_long_passes(member: str, length: int) -> None:
    change = Change(**{member: "n" * length}).build()  # type: ignore[arg-type]
    assert_passes(verdict(change))


def test_a_change_whose_ticket_is_long_passes() -> None:
    assert_passes(verdict(Change(ticket=LONG_TICKET, plan=default_plan() | {"ticket": LONG_TICKET}).build()))
