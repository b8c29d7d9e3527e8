"""A full disk, and one that can only be read: writes are refused, reads go on, and once there is room so do writes."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.faults import Action, Fault
from tests.crash.server_process import Forked, Launcher
from tests.crash.witness import Client, Witnessed, check_whole
from tests.integration.log.actors import make_log_directory, receipt
from tests.waiting import wait_until
from trustlog.log.directory import LogDirectory

FIRST_SIZE = 10
TRIES = 3
SMALL_DISK = "size=8m"


@dataclass(frozen=True)
class Disk:
    """A log of FIRST_SIZE entries on a disk that can fail. `fail` and `mend` work at once, under a running server."""

    directory: LogDirectory
    witnessed: Witnessed
    fault: Fault | None
    fail: Callable[[], object]
    mend: Callable[[], object]


def can_mount() -> bool:
    """Whether this process may mount, so that a disk can be really full: root may, unless it is confined."""
    if os.geteuid() != 0:
        return False
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


@pytest.fixture(params=["ENOSPC", "EROFS", "EIO", *(["tmpfs"] if can_mount() else [])])
def disk(request: pytest.FixtureRequest, faulty_launcher: Launcher, tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    with really_small(folder) if request.param == "tmpfs" else contextlib.nullcontext():
        directory = make_log_directory(folder / "log")
        witnessed = Witnessed()
        with faulty_launcher.running(directory.path) as server:
            Client(server.connect, witnessed).submit([receipt(f"r-{i}") for i in range(FIRST_SIZE)])
            assert server.terminate() == 0
        if request.param == "tmpfs":
            filler = folder / "filler"
            yield Disk(directory, witnessed, None, lambda: fill(filler), filler.unlink)
        else:
            gate = tmp_path / "gate"
            files = ("log.db", "guard.db", "index.db", "lock")
            error = getattr(errno, request.param)
            fault = Fault(Action.FAIL, error=error, files=files, everyone=True, gate=gate)
            yield Disk(directory, witnessed, fault, gate.touch, gate.unlink)


@contextlib.contextmanager
def really_small(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", SMALL_DISK, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


@contextlib.contextmanager
def failing(launcher: Launcher, disk: Disk) -> Iterator[tuple[Forked, Client]]:
    """A server whose disk fails once it listens; it has refused a few submissions."""
    with launcher.running(disk.directory.path, disk.fault) as server:
        client = Client(server.connect, disk.witnessed)
        assert client.submit([receipt("before")])[0]["index"] == FIRST_SIZE
        disk.fail()
        for i in range(TRIES):
            (refused,) = client.submit([receipt(f"refused-{i}")])
            assert (refused["status"], refused["code"]) == (503, "STORAGE_FAILED"), (refused, server.said_so_far())
            assert "Free space or repair the disk" in refused["hint"]
        yield server, client


def test_a_disk_that_fails_costs_no_entry_and_no_reader(faulty_launcher: Launcher, disk: Disk) -> None:
    with failing(faulty_launcher, disk) as (server, client):
        assert client.put_payload(b"x") == 503
        assert client.retry_after("/v1/entries", receipt("refused-0")) is not None
        note = client.get_checkpoint()
        assert note is not None
        assert note.splitlines()[1] == str(FIRST_SIZE + 1)
        for path in ("/v1/entries/3", "/v1/proofs/inclusion?index=3", f"/tile/0/000.p/{FIRST_SIZE + 1}", "/healthz"):
            assert client.get(path)[0] == 200, path
        assert client.submit([receipt("r-3")])[0]["index"] == 3
        disk.mend()
        assert client.submit([receipt("refused-0")])[0]["index"] == FIRST_SIZE + 1
        assert client.get("/readyz")[0] == 200
        assert server.terminate() == 0
    check_after(faulty_launcher, disk)


def test_a_server_whose_disk_fails_is_not_ready(faulty_launcher: Launcher, disk: Disk) -> None:
    with failing(faulty_launcher, disk) as (_, client):
        status, body = client.get("/readyz")
        assert (status, b"STORAGE_FAILED" in body) == (503, True)
        disk.mend()
        client.submit([receipt("after")])
        assert client.get("/readyz")[0] == 200


def test_a_server_whose_disk_fails_says_so_once(faulty_launcher: Launcher, disk: Disk) -> None:
    with failing(faulty_launcher, disk) as (server, _):

        def lines() -> list[str]:
            return [line for line in server.said_so_far() if "STORAGE_FAILED" in line and "log.db" in line]

        assert wait_until(lines)  # what it says comes through a pipe, read by a thread
        assert len(lines()) == 1


def test_a_start_on_a_failing_disk_serves_reads_or_says_what_to_do(faulty_launcher: Launcher, disk: Disk) -> None:
    disk.fail()
    with faulty_launcher.running(disk.directory.path, disk.fault) as server:
        if server.port is not None:
            client = Client(server.connect, disk.witnessed)
            assert client.get("/v1/entries/3")[0] == 200
            (refused,) = client.submit([receipt("refused")])
            assert (refused["status"], refused["code"]) == (503, "STORAGE_FAILED")
            assert server.terminate() in {0, 1}
        else:
            assert server.wait() == 1
            assert [line.split(":")[0] for line in server.stderr()[-2:]] == ["error", "hint"]
        assert not any("Traceback" in line for line in server.stderr())
    disk.mend()
    check_after(faulty_launcher, disk)


def check_after(launcher: Launcher, disk: Disk) -> None:
    """All is there, and the log goes on."""
    with launcher.running(disk.directory.path) as server:
        client = Client(server.connect, disk.witnessed)
        assert client.get("/readyz")[0] == 200
        assert "index" in client.submit([receipt("after the end")])[0]
        assert server.terminate() == 0
        assert server.stderr() == []
    assert check_whole(disk.directory, disk.witnessed) >= FIRST_SIZE + 1
