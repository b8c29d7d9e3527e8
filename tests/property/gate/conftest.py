"""How many histories are tried."""

from __future__ import annotations

import os

import pytest

SHORT_HISTORIES = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--histories", type=int, default=None, help="how many random histories the gate is tried on")


@pytest.fixture
def histories(request: pytest.FixtureRequest) -> int:
    """How many random histories are tried."""
    told = request.config.getoption("--histories", default=None)
    return int(told or os.environ.get("TRUSTLOG_HISTORIES", SHORT_HISTORIES))
