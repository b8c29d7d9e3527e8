"""A fault at any step: what was acknowledged is kept, what was not is refused or repaired, and an operator is told.

A server starts on a log that a kill has left, works, and stops, and one of its calls that change ``log.db``, ``guard.db``, their
write-ahead logs or their directory meets a fault. ``--faults all`` tries every call with every fault; the default tries some.
"""

from __future__ import annotations

import errno
import json
import shutil
import signal
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.crash.faults import ENDLESS, Action, Call, Fault, spread
from tests.crash.server_process import Forked, Launcher
from tests.crash.stage import FIRST_SIZE, NOTHING_FAILS, WORK, Stage, check_after, do_work, trace_of_work
from tests.crash.witness import Client, Witnessed, check_by_verifier, check_whole
from tests.integration.log.actors import receipt
from trustlog.log.directory import LogDirectory
from trustlog.storage.log_reader import LogReader

REFUSALS = frozenset({"STORAGE_FAILED", "UNAVAILABLE"})
NEVER_S = 3600.0


@dataclass(frozen=True)
class Point:
    """A fault that is to be met by one call, or, `lasting`, by all from it on."""

    call: Call
    action: Action
    error: int = 0
    lasting: bool = False

    def __str__(self) -> str:
        how = "from then on" if self.lasting else "once"
        what = {Action.KILL_BEFORE: "killed before", Action.KILL_AMIDST: "killed amidst"}.get(
            self.action, f"{errno.errorcode.get(self.error)} {how} at"
        )
        return f"{what} call {self.call.number} ({self.call.operation} {self.call.name})"

    def fault(self, counted: Fault) -> Fault:
        """`counted` says which calls have the numbers."""
        last = ENDLESS if self.lasting else self.call.number
        return replace(counted, action=self.action, first=self.call.number, last=last, error=self.error)


def points_of(calls: Sequence[Call]) -> list[Point]:
    """Every fault that makes sense at each call."""
    points = []
    for call in calls:
        points += [Point(call, Action.KILL_BEFORE), Point(call, Action.FAIL, errno.EIO)]
        points += [Point(call, Action.FAIL, errno.EIO, lasting=True)]
        if call.operation == "w":
            points += [Point(call, Action.KILL_AMIDST), Point(call, Action.FAIL, errno.ENOSPC)]
            points += [Point(call, Action.FAIL, errno.ENOSPC, lasting=True)]
    return points


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_no_fault_at_any_step_costs_what_was_acknowledged(
    faulty_launcher: Launcher, stage: Stage, tmp_path: Path, faults: int
) -> None:
    """The long form: ``--faults 500``, or ``--faults all``."""
    calls, _ = trace_of_work(faulty_launcher, stage, tmp_path)
    assert meet(faulty_launcher, stage, tmp_path, spread(points_of(calls), faults), NOTHING_FAILS) > 0


@pytest.mark.timeout(0)
def test_a_fault_on_the_lock_file_is_told(faulty_launcher: Launcher, stage: Stage, tmp_path: Path, faults: int) -> None:
    counted = Fault(files=("lock",))
    calls, _ = trace_of_work(faulty_launcher, stage, tmp_path, fault=counted)
    meet(faulty_launcher, stage, tmp_path, spread(points_of(calls), faults), counted)


def test_the_newest_checkpoint_outlives_a_kill_before_it_was_kept(launcher: Launcher, stage: Stage, tmp_path: Path) -> None:
    """It is published when the guard has it, and is kept in ``log.db`` later, with the next batch or when nobody submits."""
    directory, witnessed = stage.set_up(tmp_path / "log"), stage.begin()
    with launcher.running(directory.path, keep_after_s=NEVER_S) as server:
        (answer,) = Client(server.connect, witnessed).submit([receipt("newest")])
        server.kill()
    size = answer["index"] + 1
    shutil.copytree(directory.path, tmp_path / "copy to look at")
    reader = LogReader(LogDirectory(tmp_path / "copy to look at").log_path)
    assert (reader.size(), reader.checkpoint(size)) == (size, None)
    reader.close()
    with launcher.running(directory.path) as server:
        status, note = Client(server.connect, witnessed).get(f"/v1/checkpoints/{size}")
        assert (status, note.decode()) == (200, answer["checkpoint"])
        assert server.terminate() == 0
    assert check_whole(directory, witnessed) == size


@pytest.mark.timeout(0)
def test_a_fault_on_the_derived_index_costs_nobody_an_entry(
    faulty_launcher: Launcher, stage: Stage, tmp_path: Path, faults: int
) -> None:
    """Whichever process writes it; and a start finds everything again."""
    counted = Fault(files=("index.db",), everyone=True)
    calls, _ = trace_of_work(faulty_launcher, stage, tmp_path, fault=counted)
    points = [point for point in points_of(calls) if point.action == Action.FAIL]
    failures = []
    for number, point in enumerate(spread(points, max(1, faults // 3))):
        directory = stage.set_up(tmp_path / f"log-{number}")
        witnessed = stage.begin()
        with faulty_launcher.running(directory.path, point.fault(counted)) as server:
            do_work(server, witnessed)
            server.terminate()
        try:
            assert len(witnessed.answers) - len(stage.witnessed.answers) == sum(WORK)
            assert witnessed.refused == []
            check_after(faulty_launcher, directory, witnessed)
            check_found(faulty_launcher, directory)
        except AssertionError as error:
            failures.append(f"{point}: {error}\n  the server had said {server.stderr()}")
    assert not failures, f"{len(failures)} faults:\n" + "\n".join(failures)


def check_found(launcher: Launcher, directory: LogDirectory) -> None:
    """The index answers for the newest entry."""
    size = FIRST_SIZE + 1 + sum(WORK)
    with launcher.running(directory.path) as server:
        status, body = Client(server.connect, Witnessed()).get(f"/v1/entries?receipt=work-0-0&min_size={size}")
    assert (status, len(json.loads(body)["entries"]), json.loads(body)["complete_to"]) == (200, 1, size)


def meet(
    launcher: Launcher,
    stage: Stage,
    folder: Path,
    points: Sequence[Point],
    counted: Fault,
    *,
    refusals: AbstractSet[str] = REFUSALS,
) -> int:
    """Meet each of the faults in a log of its own, and check it afterwards; how many entries were acknowledged meanwhile."""
    acknowledged, failures = 0, list[str]()
    for number, point in enumerate(points):
        directory = stage.set_up(folder / f"log-{number}")
        witnessed = stage.begin()
        with launcher.running(directory.path, point.fault(counted)) as server:
            do_work(server, witnessed)
            code = server.terminate()
        acknowledged += len(witnessed.answers) - len(stage.witnessed.answers)
        try:
            check_answers(witnessed, refusals)
            check_after(launcher, directory, witnessed)
            check_told(server, code, point)
            if number == len(points) // 2:
                check_by_verifier(directory, folder / "exported")
        except AssertionError as error:
            failures.append(f"{point}: {error}\n  the server had said {server.stderr()}")
        shutil.rmtree(directory.path)
    if failures:
        raise AssertionError(f"{len(failures)} of {len(points)} faults:\n" + "\n".join(failures))
    return acknowledged


def check_answers(witnessed: Witnessed, refusals: AbstractSet[str]) -> None:
    """Who was refused may try again."""
    assert {answer["code"] for answer in witnessed.refused} <= refusals, witnessed.refused
    assert {answer["status"] for answer in witnessed.refused} <= {503}


def check_told(server: Forked, code: int, point: Point) -> None:
    """It was killed, or stopped as asked, or stopped because it had to and said why."""
    lines = server.stderr()
    if code == -signal.SIGKILL:
        assert point.action in {Action.KILL_BEFORE, Action.KILL_AMIDST}
    assert not any("Traceback" in line for line in lines)
    if code == -signal.SIGKILL:
        return
    assert code in {0, 1}, lines
    assert bool(code) == any(line.startswith("error: ") for line in lines)
    if code:
        assert [line.split(":")[0] for line in lines[-2:]] == ["error", "hint"]
