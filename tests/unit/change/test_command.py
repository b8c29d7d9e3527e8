"""A plan's command is run whole, ended whole, and what it says is kept or said to be cut."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.waiting import is_alive, wait_until
from trustlog.change import command as command_module
from trustlog.change.command import PlanCommand, Ran
from trustlog.formats.base64 import encode_b64u

PLAN = b'{"plan":1}'


def sh(script: str, **more: float) -> PlanCommand:
    return PlanCommand(["bash", "-c", script], dict(os.environ), **more)


def test_the_command_reads_the_plan_and_is_told_its_fingerprint() -> None:
    ran = sh("cat; echo $TRUSTLOG_PLAN_FINGERPRINT").run(PLAN)
    assert ran.succeeded
    assert ran.output == PLAN + encode_b64u(hashlib.sha256(PLAN).digest()).encode() + b"\n"
    assert ran.ending == "the command ended with exit code 0"


def test_what_the_command_left_at_work_is_waited_for() -> None:
    assert sh("(sleep 0.2; echo late) & echo early").run(PLAN).output == b"early\nlate\n"


def test_a_command_need_not_read_a_large_plan() -> None:
    assert sh("exit 0").run(b"x" * 5_000_000).succeeded


def test_a_command_that_is_none_ends_with_127() -> None:
    ran = PlanCommand(["/no/such/command"], {}).run(PLAN)
    assert (ran.exit_code, ran.succeeded) == (127, False)
    assert b"No such file" in ran.output


def test_a_command_that_was_told_to_stop_before_it_started_is_not_started(tmp_path: Path) -> None:
    command = sh(f"touch {tmp_path}/ran")
    command.stop(signal.SIGTERM)
    ran = command.run(PLAN)
    assert (ran.exit_code, ran.told, ran.succeeded) == (None, "SIGTERM", False)
    assert "not started" in ran.ending
    assert not (tmp_path / "ran").exists()


def stopped(command: PlanCommand, started: Path, *signals: signal.Signals) -> Ran:
    """Run it, and tell it to stop once it made the file `started`."""

    def stop() -> None:
        assert wait_until(started.exists)
        for number in signals:
            command.stop(number)

    thread = threading.Thread(target=stop)
    thread.start()
    ran = command.run(PLAN)
    thread.join()
    return ran


def test_a_command_that_does_not_end_when_asked_is_ended_after_a_while(tmp_path: Path) -> None:
    started = tmp_path / "started"
    deaf = sh(f"trap '' TERM; touch {started}; while :; do sleep 0.05; done", stop_grace_s=0.2)
    ran = stopped(deaf, started, signal.SIGTERM)
    assert (ran.exit_code, ran.told) == (-signal.SIGKILL, "SIGTERM")
    assert ran.ending == "the command was ended by SIGKILL, after SIGTERM told it to stop"


def test_one_that_left_the_group_and_holds_the_output_is_not_waited_for_when_all_else_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_module, "CLOSE_GRACE_S", 0.1)
    started = tmp_path / "started"
    left = f"setsid bash -c 'echo $$ > {tmp_path}/pid; exec sleep 3600'"
    script = f"echo before; {left} & until [ -s {tmp_path}/pid ]; do sleep 0.05; done; touch {started}; sleep 3600"
    ran = stopped(sh(script), started, signal.SIGTERM, signal.SIGKILL)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert ran.output.startswith(b"before\n\n[trustlog kept only the beginning: the output had not ended after 7 bytes")


@pytest.mark.parametrize("over", [0, 1])
def test_output_is_kept_up_to_the_bound_and_cut_beyond_it(over: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_module, "MAX_DIFF_BYTES", 1000)
    ran = sh(f"head -c {1000 + over} /dev/zero").run(PLAN)
    assert (len(ran.output), ran.output_size, ran.is_cut) == (1000, 1000 + over, bool(over))
    assert (b"kept only the beginning" in ran.output) is bool(over)


# Whoever is killed outright.

WAITS = "(echo $BASHPID > {0}/child; touch {0}/started; exec sleep 3600)"
DEAF = "trap '' TERM INT HUP; echo $BASHPID > {0}/command; " + WAITS
DEAF_CHILD = "echo $BASHPID > {0}/command; (trap '' TERM INT HUP; " + WAITS + "; :) & wait"
RUNNER = """
import os, sys
from trustlog.change.command import PlanCommand
PlanCommand(sys.argv[1:], dict(os.environ), stop_grace_s=0.2).run(b"{}")
"""


@pytest.mark.parametrize("script", [DEAF, DEAF_CHILD], ids=["a deaf command", "a deaf child"])
def test_a_runner_that_is_killed_takes_its_command_and_all_that_it_started_along(tmp_path: Path, script: str) -> None:
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, "bash", "-c", script.format(tmp_path)], stdout=subprocess.PIPE)
    assert wait_until((tmp_path / "started").exists)
    runner.kill()
    runner.communicate()
    for name in ("command", "child"):
        pid = int((tmp_path / name).read_text())
        assert wait_until(lambda pid=pid: not is_alive(pid))  # type: ignore[misc]


def test_a_leash_that_is_killed_leaves_no_command_at_work(tmp_path: Path) -> None:
    script = f"echo $PPID > {tmp_path}/leash; echo $$ > {tmp_path}/pid; touch {tmp_path}/started; exec sleep 3600"

    def cut() -> None:
        assert wait_until((tmp_path / "started").exists)
        os.kill(int((tmp_path / "leash").read_text()), signal.SIGKILL)

    thread = threading.Thread(target=cut)
    thread.start()
    ran = sh(script).run(PLAN)
    thread.join()
    assert (ran.exit_code, ran.succeeded, ran.told) == (-signal.SIGKILL, False, None)
    assert wait_until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGABRT, signal.SIGKILL])
def test_a_signal_that_ended_the_command_is_told_from_an_exit_code(number: signal.Signals) -> None:
    assert sh(f"kill -{number.value} $$").run(PLAN).exit_code == -number
    assert sh(f"exit {128 + number.value}").run(PLAN).exit_code == 128 + number


def test_the_command_gets_nothing_of_the_leash(tmp_path: Path) -> None:
    ran = PlanCommand(["bash", "-c", "ls /proc/$$/fd; env"], {"PATH": os.environ["PATH"]}).run(PLAN)
    words = ran.output.decode().split()
    assert {word for word in words if "=" not in word} <= {"0", "1", "2", "255"}  # 255 is bash's own
    of_bash = {"PWD", "SHLVL", "_"}
    assert {word.partition("=")[0] for word in words if "=" in word} - of_bash == {"PATH", "TRUSTLOG_PLAN_FINGERPRINT"}
