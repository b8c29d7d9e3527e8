"""A scene over a real log, as the gate's unit tests have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.gate.scene import Scene, make_directory, playing
from tests.waiting import PATIENCE_S
from trustlog.gate.service import restrictions


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged at once is what the log takes, however long this machine takes for it."""
    monkeypatch.setattr(restrictions, "LOGGED_WITHIN_S", PATIENCE_S)
    monkeypatch.setattr(restrictions, "READ_WITHIN_S", PATIENCE_S)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(make_directory(tmp_path / "log")) as scene:
        yield scene


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"
