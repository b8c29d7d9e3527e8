"""What every test of the verifier has."""

from __future__ import annotations

import pytest

from tests.waiting import PATIENCE_S
from verifier import limits


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of a test may be slow, as the machine is: only a test of how long the verifier waits says so."""
    monkeypatch.setattr(limits, "HTTP_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr(limits, "ANSWER_S", PATIENCE_S)
