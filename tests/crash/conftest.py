"""How long the crash suites run, and what they share: a warm launcher, and a log that a crash has left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.crash.stage", "tests.crash.witness")

from tests.crash.faults import build_shim  # noqa: E402 - rewritten first
from tests.crash.server_process import Launcher  # noqa: E402
from tests.crash.stage import Stage, make_stage  # noqa: E402

SHORT_KILLS = 16
SHORT_FAULTS = 16
EVERY_FAULT = 10**9


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=None, help="how often the server of the crash suite is killed")
    parser.addoption("--faults", default=None, help="how many faults each suite of faults tries, spread evenly; or: all")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often a process is killed."""
    told = request.config.getoption("--kills", default=None)
    return int(told or os.environ.get("TRUSTLOG_KILLS", SHORT_KILLS))


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> int:
    """How many faults each suite tries."""
    told = str(request.config.getoption("--faults", default=None) or os.environ.get("TRUSTLOG_FAULTS", SHORT_FAULTS))
    return EVERY_FAULT if told == "all" else int(told)


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    return build_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="session")
def launcher(shim: Path | None) -> Iterator[Launcher]:
    """Starts servers quickly. Faults need :func:`faulty_launcher`."""
    launcher = Launcher(shim)
    yield launcher
    launcher.close()


@pytest.fixture(scope="session")
def faulty_launcher(launcher: Launcher, shim: Path | None) -> Launcher:
    """The launcher, where it can inject faults."""
    if shim is None:
        pytest.skip("faults are injected by a library that needs a C compiler, and there is none")
    return launcher


@pytest.fixture(scope="session")
def stage(faulty_launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return make_stage(faulty_launcher, tmp_path_factory.mktemp("stage"))
