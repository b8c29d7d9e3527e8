"""A working directory with nothing in it but what the test makes, and the stages of one change to fork from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.change import approve, call_models, check, execute, fork, good, people, publish_rules, simulate
from tests.scripts.commands import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell(tmp_path_factory.mktemp("staffed"))
    people(shell)
    return shell


@pytest.fixture(scope="module")
def simulated(staffed: Shell, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = fork(staffed, tmp_path_factory.mktemp("simulated"))
    with shell.serve():
        publish_rules(shell)
        call_models(shell)
        good(simulate(shell))
    return shell


@pytest.fixture(scope="module")
def approved(simulated: Shell, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = fork(simulated, tmp_path_factory.mktemp("approved"))
    with shell.serve():
        good(approve(shell, "alice"))
        good(approve(shell, "bob"))
    return shell


@pytest.fixture(scope="module")
def executed(approved: Shell, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = fork(approved, tmp_path_factory.mktemp("executed"))
    with shell.serve():
        good(execute(shell, good(check(shell))["decision_b64u"]))
    return shell
