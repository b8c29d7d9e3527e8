"""Reads that fail: refused and not guessed, by whichever process met them; over as soon as the disk can be read again."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.faults import Action, Fault, read_trace, spread
from tests.crash.server_process import Launcher
from tests.crash.stage import FIRST_SIZE, Stage, check_after, do_work
from tests.crash.test_faults import REFUSALS, meet, points_of
from tests.crash.witness import Client

SIZE = FIRST_SIZE + 1
FROM_DISK = (
    "/v1/entries/3",
    "/v1/entries?receipt=old-3",
    f"/tile/0/000.p/{SIZE}",
    f"/tile/entries/000.p/{SIZE}",
    "/v1/proofs/inclusion?index=7",
    "/v1/proofs/consistency?from=100",
    f"/v1/checkpoints/{FIRST_SIZE}",
)
FROM_MEMORY = ("/checkpoint", "/healthz", "/metrics", "/openapi.json")


def test_who_asks_is_refused_until_the_disk_can_be_read_again(
    faulty_launcher: Launcher, stage: Stage, tmp_path: Path
) -> None:
    directory, gate, witnessed = stage.set_up(tmp_path / "log"), tmp_path / "gate", stage.begin()
    fault = Fault(Action.FAIL, error=errno.EIO, files=("log.db",), reads=True, everyone=True, gate=gate)
    with faulty_launcher.running(directory.path, fault) as server:
        client = Client(server.connect, witnessed)
        gate.touch()
        refused = [path for path in FROM_DISK for _ in range(3) if is_refused(client, path)]
        assert len(refused) > len(FROM_DISK)  # the others had been read before
        assert [client.get(path)[0] for path in FROM_MEMORY] == [200] * len(FROM_MEMORY)
        gate.unlink()
        for _ in range(3):
            assert [path for path in FROM_DISK if is_refused(client, path)] == []
        assert server.terminate() == 0
        assert not any("Traceback" in line for line in server.stderr())
    check_after(faulty_launcher, directory, witnessed)


def is_refused(client: Client, path: str) -> bool:
    """Whether the answer is that the store failed; it must be that or a right one."""
    status, body = client.get(path)
    if status == 503:
        assert json.loads(body)["code"] == "STORAGE_FAILED", (path, body)
        return True
    assert status == 200, (path, status, body)
    return False


@pytest.mark.timeout(0)
def test_no_read_that_fails_costs_what_was_acknowledged(
    faulty_launcher: Launcher, stage: Stage, tmp_path: Path, faults: int
) -> None:
    """A read of ``log.db`` or ``guard.db``, by the first process: at a start, while it writes, and when it stops."""
    counted = Fault(reads=True, files=("log.db", "guard.db"))
    directory, trace = stage.set_up(tmp_path / "traced"), tmp_path / "trace"
    with faulty_launcher.running(directory.path, replace(counted, trace=trace)) as server:
        do_work(server, stage.begin())
        assert server.terminate() == 0
    points = [point for point in points_of(read_trace(trace)) if point.action == Action.FAIL]
    refusals = REFUSALS | {"LOG_READ_ONLY", "LOG_CORRUPT"}  # SQLite calls some pages malformed that it could not read
    assert meet(faulty_launcher, stage, tmp_path, spread(points, faults // 2), counted, refusals=refusals) > 0
