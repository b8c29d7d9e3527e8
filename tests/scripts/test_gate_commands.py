"""Commands that ask a gate over HTTP: its words are not taken, what it logged is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.scripts.change import APPLY, TICKET, approve, build_bundle, check, denied, fork, good, judged
from tests.scripts.commands import Ended, Shell
from tests.waiting import PATIENCE_S

ASKED = ("--ticket", TICKET, "--token", "job.token", "--json")


@contextmanager
def gate_of(shell: Shell, key: str = "gate.key") -> Iterator[tuple[str, ...]]:
    """A gate that is served, and asks for a credential; the options that name it. It must stop with exit code 0."""
    shell.write("credential", b"open-sesame\n")
    options = ("--key", key, "--state", f"{key}-state", "--listen", "127.0.0.1:0", "--caller-file", "credential")
    process = subprocess.Popen(
        [sys.executable, "-m", "trustlog.cli", "gate", "serve", *options],
        cwd=shell.directory,
        env=shell.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, process.communicate()
        yield ("--gate", json.loads(line)["url"], "--gate-credential-file", "credential")
    finally:
        process.terminate()
        _out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err.decode()


def execute(shell: Shell, *more: str) -> Ended:
    return shell.run("execute", *ASKED, "--key", "runner.key", *more, "--", *APPLY)


def close(shell: Shell, reason: str, *more: str) -> Ended:
    return shell.run("close", *ASKED, "--closing-reason", reason, "--gate-key", "gate2.key", *more)


def test_a_change_is_executed_and_closed_under_decisions_of_a_served_gate(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    shell.good("keygen", "gate2.key")
    shell.good("trust", "add", "gates", "gate2.key")
    with shell.serve(), gate_of(shell) as gate:
        execute(shell, *gate[:2]).check_error("UNAUTHENTICATED", 1)
        done = good(execute(shell, *gate, "--plan", "plan.json"))
        assert done["outcome"] == "success"
        denied(execute(shell, *gate), "APPROVALS_INSUFFICIENT")
        reference = good(build_bundle(shell))["reference"]
        denied(close(shell, reference, *gate), "APPROVALS_INSUFFICIENT")
        good(approve(shell, "alice", "--bundle", reference, action="ticket.close"))
        good(approve(shell, "bob", "--bundle", reference, action="ticket.close"))
        shell.run("close", *ASKED, "--closing-reason", reference, "--gate-key", "runner.key", *gate).check_error(
            "SIGNER_WRONG_ROLE", 1
        )
        closure = good(close(shell, f"done, {reference}", *gate))
        assert closure["decision"]["decision"] == "allow"
        judged(shell)


def test_a_deny_of_a_served_gate_is_said_for_people(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    with shell.serve(), gate_of(shell) as gate:
        line = ("execute", "--ticket", TICKET, "--token", "job.token", "--key", "runner.key", *gate, "--", "touch", "ran")
        ended = shell.run(*line)
    ended.check_error("APPROVALS_INSUFFICIENT", 1)
    assert ended.out.startswith(f"DENY change.execute for {TICKET}\ndecision ")
    assert "\nAPPROVALS_INSUFFICIENT\n  expected  2 different people approving scope " in ended.out
    assert "\n  found     0: nobody\n" in ended.out
    assert not (shell.directory / "ran").exists()


def test_an_allow_by_a_gate_that_nobody_trusts_starts_nothing(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    shell.good("keygen", "rogue.key")
    with shell.serve(), gate_of(shell, "rogue.key") as gate:
        ended = shell.run("execute", *ASKED, "--key", "runner.key", *gate, "--", "touch", "ran")
        assert ended.code == 1
        assert not (shell.directory / "ran").exists()
        assert good(check(shell))["decision"] == "allow"  # and nothing was used up


def test_a_gate_that_is_not_there_is_undecided(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with shell.serve():
        ended = execute(shell, "--gate", "http://127.0.0.1:1")
        ended.check_error("UNAVAILABLE", 3)
        assert "the gate at http://127.0.0.1:1 was not reached" in ended.err
        execute(shell, "--gate", "http://127.0.0.1:1", "--gate-key", "gate.key").check_error("PARAMETER_INVALID", 2)
        execute(shell).check_error("PARAMETER_INVALID", 2)
        log = shell.environment["TRUSTLOG_LOG"]
        execute(shell, "--gate", log).check_error("NOT_FOUND", 1)  # a log is no gate
