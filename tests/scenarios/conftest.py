"""Stages for stories: those of one module share a log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from making.world import World, open_world

from tests.scenarios.stage import ORIGIN, Stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_log(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    place = tmp_path_factory.mktemp("shared") / "log"
    async with open_world(place, ORIGIN) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def stage(request: pytest.FixtureRequest, shared_log: World, tmp_path: Path) -> AsyncIterator[Stage]:
    told = getattr(request.node, "callspec", None)
    parameter = "" if told is None else str(next(iter(told.params.values())))
    async with AsyncExitStack() as stack:
        stage = Stage(request.function, shared_log, tmp_path, stack, parameter=parameter)
        yield stage
    assert len(stage.left) == stage.pieces, (
        "every story leaves evidence: of its good end, if nothing dishonest can be signed"
    )
