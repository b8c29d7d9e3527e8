"""The large log, made once for all test processes, and the checkers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.outside.checkers import Checker, build
from tests.integration.outside.large_log import LargeLog, large_log


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> LargeLog:
    base = tmp_path_factory.getbasetemp()
    return large_log((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "large-log")


@pytest.fixture
def copy(log: LargeLog, tmp_path: Path) -> Path:
    """A copy of the exported log that may be damaged."""
    return log.copy(tmp_path / "copy")


@pytest.fixture(scope="session")
def sumdb(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    return build("sumdb", tmp_path_factory.mktemp("sumdb"))


@pytest.fixture(scope="session")
def tessera(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    return build("tessera", tmp_path_factory.mktemp("tessera"))
