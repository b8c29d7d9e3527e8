"""Power that fails at any moment: what was synced is all there is, and some of the rest, torn.

One run is traced; then every moment of it can be played again as if the power had failed there, without running it again.
``--faults all`` plays every moment; the default plays some.
"""

from __future__ import annotations

import errno
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.disk import Disk
from tests.crash.faults import Action, Call, Fault, read_trace
from tests.crash.server_process import Launcher
from tests.crash.stage import Stage, check_after, do_work, trace_of_work
from tests.crash.test_faults import spread
from tests.crash.witness import Witnessed
from trustlog.log.directory import LogDirectory

VOLATILE = ("*-shm", "index.db*")  # nobody's loss: SQLite makes its shared memory anew, and the index is derived


def moments(start: Path, calls: list[Call], folder: Path, wanted: set[int]) -> Iterator[tuple[int, str, LogDirectory]]:
    """Directories as the power left them when `wanted` many calls had been made: only what is certain, and some of the rest.

    `start` is the directory before the first call. Each is removed when the next is asked for.
    """
    disk = Disk(start, calls)
    for made in range(len(calls) + 1):
        for kept, chance in [("what was synced", None), ("some more", random.Random(made))] if made in wanted else []:  # noqa: S311 - the same every time
            directory = folder / f"moment-{made}-{kept.split()[0]}"
            shutil.copytree(start, directory, ignore=shutil.ignore_patterns(*VOLATILE))
            disk.leave(directory, chance)
            yield made, kept, LogDirectory(directory)
            shutil.rmtree(directory)
        if made < len(calls):
            disk.apply(calls[made])


def check_moments(
    launcher: Launcher, start: Path, calls: list[Call], *, heard: Witnessed, folder: Path, wanted: set[int]
) -> None:
    """Whatever had been heard before the next call was begun is kept."""
    failures = []
    for made, kept, directory in moments(start, calls, folder, wanted):
        witnessed = heard.before(calls[made].time_ns) if made < len(calls) else heard
        try:
            check_after(launcher, directory, Witnessed(list(witnessed.heard), payloads=list(witnessed.payloads)))
        except AssertionError as error:
            last = calls[made - 1] if made else None
            failures.append(f"{made} calls made, {kept} is left; the last was {last and (last.operation, last.name)}: {error}")
    assert not failures, f"{len(failures)} failures of {2 * len(wanted)} moments:\n" + "\n".join(failures)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_power_that_fails_at_any_moment_costs_nothing_acknowledged(
    faulty_launcher: Launcher, stage: Stage, tmp_path: Path, faults: int
) -> None:
    """The long form: ``--faults all``."""
    calls, witnessed = trace_of_work(faulty_launcher, stage, tmp_path)
    wanted = set(spread(range(len(calls) + 1), faults))
    check_moments(faulty_launcher, stage.path, calls, heard=witnessed, folder=tmp_path, wanted=wanted)
