"""One code means one thing: the verifier's table and trustlog's give it the same sentence."""

from __future__ import annotations

import pytest

from trustlog.errors import REASONS
from verifier.reasons import REASONS as VERIFIER_REASONS


@pytest.mark.parametrize("code", sorted(VERIFIER_REASONS))
def test_every_code_of_the_verifier_is_registered_with_the_same_meaning(code: str) -> None:
    assert code in REASONS
    assert VERIFIER_REASONS[code].sentence == REASONS[code].sentence
    assert VERIFIER_REASONS[code].sentence not in (VERIFIER_REASONS[code].cause, VERIFIER_REASONS[code].next_step)
