"""Power that fails at any moment: what was synced is all there is, and some of the rest, torn.

One run is traced; then every moment of it can be played again as if the power had failed there, without running it again.
``--faults all`` plays every moment; the default plays some.
"""

from __future__ import annotations

import errno
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.disk import Disk
from tests.crash.faults import Action, Call, Fault, read_trace, spread
from tests.crash.server_process import Launcher
from tests.crash.stage import NotRepaired, Stage, check_after, count_calls, do_work, trace_of_work
from tests.crash.witness import Client, Witnessed, check_by_verifier
from trustlog.log.directory import LogDirectory

VOLATILE = ("*-shm", "index.db*")  # nobody's loss: SQLite makes its shared memory anew, and the index is derived


def moments(start: Path, calls: list[Call], folder: Path, wanted: set[int]) -> Iterator[tuple[int, str, LogDirectory]]:
    """Directories as the power left them when `wanted` many calls had been made: only what is certain, and some of the rest.

    `start` is the directory before the first call. Each is removed when the next is asked for.
    """
    disk = Disk(start, calls)
    for made in range(len(calls) + 1):
        chance = random.Random(made)  # noqa: S311 - the same every time
        for kept, share in [("what was synced", None), ("some more", chance)] if made in wanted else []:
            directory = folder / f"moment-{made}-{kept.split()[0]}"
            shutil.copytree(start, directory, ignore=shutil.ignore_patterns(*VOLATILE))
            disk.leave(directory, share)
            yield made, kept, LogDirectory(directory)
            shutil.rmtree(directory)
        if made < len(calls):
            disk.apply(calls[made])


def check_moments(
    launcher: Launcher,
    start: Path,
    calls: list[Call],
    *,
    heard: Witnessed,
    folder: Path,
    wanted: set[int],
    verify: bool = False,
) -> None:
    """Whatever had been heard before the next call was begun is kept. Raises NotRepaired if nothing is worse than that.

    `verify`: have the independent verifier look at the first of the logs.
    """
    failures: list[str] = []
    worst: type[AssertionError] = NotRepaired
    for made, kept, directory in moments(start, calls, folder, wanted):
        witnessed = heard.before(calls[made].time_ns) if made < len(calls) else heard
        try:
            check_after(launcher, directory, Witnessed(list(witnessed.heard), payloads=list(witnessed.payloads)))
            if verify:
                check_by_verifier(directory, folder / "exported")
                verify = False
        except AssertionError as error:
            worst = worst if isinstance(error, NotRepaired) else AssertionError
            last = f"{calls[made - 1].operation} {calls[made - 1].name}" if made else "none"
            failures.append(f"{made} calls made, {kept} is left; the last was {last}: {error}")
    if failures:
        raise worst(f"{len(failures)} failures of {2 * len(wanted)} moments:\n" + "\n".join(failures))


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_power_that_fails_at_any_moment_costs_nothing_acknowledged(
    faulty_launcher: Launcher, stage: Stage, tmp_path: Path, faults: int
) -> None:
    """The long form: ``--faults all``."""
    calls, witnessed = trace_of_work(faulty_launcher, stage, tmp_path)
    wanted = set(spread(range(len(calls) + 1), faults))
    check_moments(faulty_launcher, stage.path, calls, heard=witnessed, folder=tmp_path, wanted=wanted, verify=True)


def test_a_log_that_did_not_sync_would_be_found_out(faulty_launcher: Launcher, stage: Stage, tmp_path: Path) -> None:
    """The same run, but for the syncs of ``log.db`` and its write-ahead log: as if the log had left them out."""
    calls, heard = trace_of_work(faulty_launcher, stage, tmp_path)
    careless = [call for call in calls if call.operation != "s" or call.name == "guard.db-wal"]
    middle = next(i for i, call in enumerate(careless) if call.time_ns > heard.heard[-1].time_ns)
    with pytest.raises(AssertionError, match="calls made"):
        check_moments(faulty_launcher, stage.path, careless, heard=heard, folder=tmp_path, wanted={middle})


def run_twice(launcher: Launcher, stage: Stage, folder: Path, fault: Fault) -> tuple[list[Call], int, Witnessed]:
    """Work under a fault, then start again; all calls, how many are of the first run, and what was heard."""
    directory = stage.set_up(folder / "log")
    witnessed = stage.begin()
    trace = folder / "trace of both"
    with launcher.running(directory.path, replace(fault, trace=trace)) as server:
        do_work(server, witnessed)
        server.terminate()
    first = len(read_trace(trace))
    with launcher.running(directory.path, Fault(trace=trace)) as server:
        assert Client(server.connect, witnessed).get_checkpoint() is not None
        server.kill()
    return read_trace(trace), first, witnessed


@pytest.mark.timeout(0)
def test_power_that_fails_while_a_kill_is_repaired_costs_nothing_acknowledged(
    faulty_launcher: Launcher, stage: Stage, tmp_path: Path, faults: int
) -> None:
    """Killed before the sync of a batch, started again, and then, at any moment of that start, the power fails.

    The start sees the batch, whole, in what the system has not written to the disk yet.
    """
    before, _ = trace_of_work(faulty_launcher, stage, tmp_path)
    started = count_calls(faulty_launcher, stage.set_up(tmp_path / "started").path, tmp_path / "trace of a start")
    commit = next(call for call in before[started:] if (call.operation, call.name) == ("s", "log.db-wal"))
    fault = Fault(Action.KILL_BEFORE, commit.number)
    calls, first, heard = run_twice(faulty_launcher, stage, tmp_path, fault)
    wanted = set(spread(range(first, len(calls) + 1), faults // 2))
    check_moments(faulty_launcher, stage.path, calls, heard=heard, folder=tmp_path, wanted=wanted)


@pytest.mark.timeout(0)
def test_a_sync_that_fails_is_not_believed_later(
    faulty_launcher: Launcher, stage: Stage, tmp_path: Path, faults: int
) -> None:
    """What was written before a sync failed may never reach the disk, whatever is synced afterwards, by a later start too."""
    before, _ = trace_of_work(faulty_launcher, stage, tmp_path)
    syncs = [call for call in before if call.operation == "s" and call.name != "."]
    for sync in spread(syncs, max(1, faults // 8)):
        folder = tmp_path / f"sync-{sync.number}"
        folder.mkdir()
        fault = Fault(Action.FAIL, sync.number, sync.number, errno.EIO)
        calls, first, heard = run_twice(faulty_launcher, stage, folder, fault)
        wanted = {*spread(range(sync.number, len(calls) + 1), 2), first, len(calls)}
        check_moments(faulty_launcher, stage.path, calls, heard=heard, folder=folder, wanted=wanted)
