"""A scene over a real log, as the gate's unit tests have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.gate.scene import Scene, make_directory, playing


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(make_directory(tmp_path / "log")) as scene:
        yield scene


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"
