"""The log takes no part in time: a clock that goes back changes what is admitted, and nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.crash.faults import Fault
from tests.crash.server_process import Launcher
from tests.crash.witness import Client, Witnessed, check_whole
from tests.integration.log.actors import make_log_directory, now, receipt

HOUR_S = 3600
TWO_YEARS_S = 2 * 365 * 24 * HOUR_S


def test_a_clock_that_goes_back_costs_nothing_and_refuses_only_the_future(faulty_launcher: Launcher, tmp_path: Path) -> None:
    directory = make_log_directory(tmp_path / "log")
    clock = tmp_path / "clock"
    witnessed = Witnessed()
    old, after_a_step, of_the_future = (receipt(name) for name in ("old", "after a step", "of the future"))
    with faulty_launcher.running(directory.path, Fault(clock=clock)) as server:
        client = Client(server.connect, witnessed)
        assert client.submit([old])[0]["index"] == 0
        clock.write_text(str(-HOUR_S))
        assert client.submit([after_a_step])[0]["index"] == 1
        clock.write_text(str(-TWO_YEARS_S))  # before the day that the receipts state
        (refused,) = client.submit([of_the_future])
        assert (refused["code"], refused["status"]) == ("CLOCK_SKEW", 422)
        assert refused["expected"].startswith("between any time before and ")
        assert refused["expected"][-24:] < now(HOUR_S - TWO_YEARS_S)
        (again,) = client.submit([old])
        assert (again["index"], again["already_logged"]) == (0, True)
        assert server.terminate() == 0
    with faulty_launcher.running(directory.path, Fault(clock=clock)) as server:  # a start in the past
        client = Client(server.connect, witnessed)
        assert client.get("/readyz")[0] == 200
        assert client.submit([old])[0]["already_logged"]
        clock.unlink()
        assert client.submit([of_the_future])[0]["index"] == 2
        assert server.terminate() == 0
        assert server.stderr() == []
    assert check_whole(directory, witnessed) == 3
