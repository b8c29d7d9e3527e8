"""Files put back from a copy, or gone: nothing is signed, reading goes on, and the operator is told what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.server_process import Forked, Launcher, start
from tests.crash.witness import Client, Witnessed, check_whole
from tests.integration.log.actors import make_log_directory, receipt
from tests.waiting import PATIENCE_S, wait_until
from trustlog.log.directory import LogDirectory

PUT_BACK = "put back the newest log.db and guard.db, both of the same moment, never older ones"
NAME_NEWEST = "trustlog restore BACKUP DIR --newest-checkpoint FILE --yes"


@dataclass(frozen=True)
class Grown:
    """A log of 15 entries, and copies of its files from when it had 10."""

    directory: LogDirectory
    old_log: Path
    old_guard: Path
    witnessed: Witnessed


@pytest.fixture
def grown(launcher: Launcher, tmp_path: Path) -> Grown:
    directory = make_log_directory(tmp_path / "log")
    witnessed = Witnessed()
    grow(launcher, directory, witnessed, 0, 10)
    old_log = shutil.copyfile(directory.log_path, tmp_path / "old log.db")
    old_guard = shutil.copyfile(directory.guard_path, tmp_path / "old guard.db")
    grow(launcher, directory, witnessed, 10, 15)
    return Grown(directory, old_log, old_guard, witnessed)


def grow(launcher: Launcher, directory: LogDirectory, witnessed: Witnessed, first: int, end: int) -> None:
    with launcher.running(directory.path) as server:
        answers = Client(server.connect, witnessed).submit([receipt(f"r-{i}") for i in range(first, end)])
        assert [answer["index"] for answer in answers] == list(range(first, end))
        assert server.terminate() == 0


@contextmanager
def read_only(launcher: Launcher, directory: LogDirectory, *, size: int) -> Iterator[tuple[Forked, dict[str, str]]]:
    """A server that serves `size` entries, takes nothing, and gives the reason as a problem at ``/readyz``."""
    with launcher.running(directory.path) as server:
        client = Client(server.connect, Witnessed())
        status, body = client.get("/readyz")
        problem = json.loads(body)
        assert (status, problem["code"]) == (503, "LOG_READ_ONLY")
        assert client.get("/healthz")[0] == 200
        (refused,) = client.submit([receipt("new")])
        assert {**refused, "request_id": ""} == {**problem, "request_id": ""}
        note = client.get_checkpoint()
        assert note is not None
        assert note.splitlines()[1] == str(size)
        status, body = client.get(f"/v1/entries/{size - 1}")
        assert (status, json.loads(body)["checkpoint"]) == (200, note)
        yield server, problem
        assert server.terminate() == 0


def test_an_old_log_beside_a_newer_guard(launcher: Launcher, grown: Grown, tmp_path: Path) -> None:
    newest = shutil.copyfile(grown.directory.log_path, tmp_path / "newest log.db")
    shutil.copyfile(grown.old_log, grown.directory.log_path)
    with read_only(launcher, grown.directory, size=10) as (server, problem):
        assert problem["detail"] == "GUARD_MISMATCH: log.db lacks 5 entries that the log has signed"
        assert problem["expected"].startswith("size 15, root ")
        assert problem["found"] == "size 10"
        assert PUT_BACK in problem["hint"]
        assert len([line for line in server.said_so_far() if "log.db lacks 5 entries" in line]) == 1
    shutil.copyfile(newest, grown.directory.log_path)
    check_it_goes_on(launcher, grown)


def test_an_old_guard_beside_a_newer_log(launcher: Launcher, grown: Grown, tmp_path: Path) -> None:
    newest = shutil.copyfile(grown.directory.guard_path, tmp_path / "newest guard.db")
    shutil.copyfile(grown.old_guard, grown.directory.guard_path)
    with read_only(launcher, grown.directory, size=15) as (server, problem):
        assert problem["detail"] == "GUARD_MISMATCH: the log has published more than its guard holds"
        assert problem["expected"] == "size 15"
        assert problem["found"].startswith("size 10, root ")
        assert PUT_BACK in problem["hint"]
        assert len([line for line in server.said_so_far() if "published more than its guard" in line]) == 1
    shutil.copyfile(newest, grown.directory.guard_path)
    check_it_goes_on(launcher, grown)


def test_no_guard(launcher: Launcher, grown: Grown, tmp_path: Path) -> None:
    kept = grown.directory.guard_path.rename(tmp_path / "guard.db")
    with read_only(launcher, grown.directory, size=15) as (server, problem):
        assert problem["detail"] == "GUARD_MISMATCH: there is no guard beside this log"
        assert NAME_NEWEST in problem["hint"]
        assert len([line for line in server.said_so_far() if "no guard beside this log" in line]) == 1
    assert not grown.directory.guard_path.exists()
    kept.rename(grown.directory.guard_path)
    check_it_goes_on(launcher, grown)


def test_who_reads_stderr_is_told_what_to_do(launcher: Launcher, grown: Grown) -> None:
    shutil.copyfile(grown.old_log, grown.directory.log_path)
    with read_only(launcher, grown.directory, size=10) as (server, problem):
        assert any(problem["hint"] in line for line in server.said_so_far())


@pytest.mark.parametrize("somebody_submits", [True, False])
@pytest.mark.parametrize("name", ["log.db", "guard.db"])
def test_a_file_that_is_taken_away_from_a_running_server(
    launcher: Launcher, grown: Grown, tmp_path: Path, name: str, *, somebody_submits: bool
) -> None:
    """Nothing is acknowledged from then on, and soon, even if nobody submits, the server is not ready and says why."""
    away = tmp_path / "taken away"
    with launcher.running(grown.directory.path) as server:
        client = Client(server.connect, grown.witnessed)
        (grown.directory.path / name).rename(away)
        if somebody_submits:
            (refused,) = client.submit([receipt("new")])
            assert (refused["status"], refused["code"], refused["param"]) == (503, "STORAGE_FAILED", name)
            assert "put back log.db and guard.db" in refused["hint"]
        assert await_trouble(client)["param"] == name
        assert client.get_checkpoint() is not None
        assert server.terminate() == 0
        assert len([line for line in server.stderr() if f"{name} was removed or replaced" in line]) == 1
    away.rename(grown.directory.path / name)
    check_it_goes_on(launcher, grown)


def await_trouble(client: Client) -> dict[str, str]:
    """The problem at ``/readyz``, as soon as there is one."""
    answers: list[bytes] = []

    def is_told() -> bool:
        status, body = client.get("/readyz")
        answers.append(body)
        return status == 503

    assert wait_until(is_told), "the server says that it is ready"
    problem: dict[str, str] = json.loads(answers[-1])
    return problem


def test_two_servers_on_one_directory(launcher: Launcher, grown: Grown) -> None:
    with launcher.running(grown.directory.path) as server:
        second = start(grown.directory.path)
        out, err = second.communicate(timeout=PATIENCE_S)
        assert (second.returncode, out) == (1, b"")
        assert err.decode().splitlines() == [
            f"error: LOG_LOCKED: another process serves {grown.directory.path}",
            "hint: Stop the other process, or talk to it over HTTP.",
        ]
        assert Client(server.connect, grown.witnessed).submit([receipt("new")])[0]["index"] == 15
        assert server.terminate() == 0
    check_it_goes_on(launcher, grown)


def check_it_goes_on(launcher: Launcher, grown: Grown) -> None:
    """With the right files everything is as it was, and the log takes entries again."""
    grow_to = 20
    with launcher.running(grown.directory.path) as server:
        client = Client(server.connect, grown.witnessed)
        assert client.get("/readyz")[0] == 200
        indexes = [client.submit([receipt(f"r-{i}")])[0]["index"] for i in range(15)]
        assert indexes == list(range(15))
        client.submit([receipt(f"later-{i}") for i in range(grow_to - int(client.get_checkpoint().splitlines()[1]))])  # type: ignore[union-attr]
        assert server.terminate() == 0
        assert server.stderr() == []
    assert check_whole(grown.directory, grown.witnessed) == grow_to
