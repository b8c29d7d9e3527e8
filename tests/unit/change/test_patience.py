"""A record that must not be lost is submitted again while the log is away: the very same, and not for ever."""

from __future__ import annotations

import pytest

from trustlog.change import desk
from trustlog.change.desk import insist
from trustlog.errors import Refused


class Away:
    """Something that fails so many times before it answers."""

    def __init__(self, failures: int, code: str = "LOG_UNREACHABLE") -> None:
        self.failures = failures
        self.code = code
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise Refused(self.code, "not now")
        return "done"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "FIRST_PAUSE_S", 0.001)


@pytest.mark.parametrize("code", ["LOG_UNREACHABLE", "RATE_LIMITED", "UNAVAILABLE"])
async def test_a_log_that_comes_back_in_time_gets_it(code: str) -> None:
    away = Away(3, code)
    assert await insist(away, 5) == "done"
    assert away.calls == 4


async def test_patience_ends() -> None:
    away = Away(1000)
    with pytest.raises(Refused, match="LOG_UNREACHABLE"):
        await insist(away, 0.05)
    assert 1 < away.calls < 20


async def test_nobody_is_patient_by_default() -> None:
    away = Away(1)
    with pytest.raises(Refused, match="LOG_UNREACHABLE"):
        await insist(away, 0)
    assert away.calls == 1


async def test_a_refusal_is_not_argued_with() -> None:
    away = Away(1, "CONFLICT")
    with pytest.raises(Refused, match="CONFLICT"):
        await insist(away, 5)
    assert away.calls == 1
