"""How long the crash suites run: ``--kills N`` or ``TRUSTLOG_KILLS=N`` for the long form."""

from __future__ import annotations

import os

import pytest

SHORT_KILLS = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=None, help="how often the server of the crash suite is killed")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often a process is killed."""
    told = request.config.getoption("--kills", default=None)
    return int(told or os.environ.get("TRUSTLOG_KILLS", SHORT_KILLS))
