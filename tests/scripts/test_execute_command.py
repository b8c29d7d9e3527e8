"""Executing: between two records, exactly the approved bytes, once; whatever happens to runner, command, log or clock."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.scripts.change import (
    BREAK,
    PLAN,
    approve,
    build_bundle,
    check,
    close_with,
    denied,
    execute,
    fetch_payload,
    fork,
    good,
    hash_of,
    judged,
)
from tests.scripts.commands import Ended, Shell, kept_port
from tests.waiting import PATIENCE_S, children_of, is_alive, wait_until
from trustlog.change.command import MAX_DIFF_BYTES, Ran
from trustlog.change.desk import Desk
from trustlog.change.execute import execute as run_execution
from trustlog.client.checking import Logged
from trustlog.client.http import open_session
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.timestamp import NS
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.keys.file import read_key_file


def test_one_decision_starts_one_execution(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with shell.serve():
        decision = good(check(shell))["decision_b64u"]
        good(execute(shell, decision))
        refused = execute(shell, decision, command=("touch", "ran"))
        refused.check_error("EXECUTION_ALREADY_BEGUN", 1)
        assert not (shell.directory / "ran").exists()
        execute(shell, "A" * 43).check_error("DECISION_NOT_LOGGED", 1)


async def test_an_expired_decision_starts_nothing(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    trust = TrustPolicy.parse((tmp_path / "log" / "trust.toml").read_bytes())
    runner = read_key_file(tmp_path / "runner.key")
    with shell.serve() as url:
        decision = good(check(shell))["decision_b64u"]
        async with open_session() as session:
            a_minute_later = Desk(LogClient(url, trust, session), clock=lambda: time.time_ns() + 61 * NS)
            with pytest.raises(Refused, match="DECISION_EXPIRED"):
                await run_execution(a_minute_later, runner, decision=decision, run=must_not_run)
        good(execute(shell, decision))


def must_not_run(_plan: bytes) -> Ran:
    raise AssertionError("the command was started")


def test_a_log_that_was_away_while_the_command_ran_still_gets_its_end(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with log_away_at_the_end(shell, "echo changed") as (runner, listen), shell.serve(listen=listen):
        done = ended(runner)
        assert done.code == 0, done
        assert done.answer["outcome"] == "success"
        good(build_bundle(shell))


@contextmanager
def log_away_at_the_end(shell: Shell, last: str = ":") -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A runner whose command has ended, which it cannot tell the log; and where it looks for that."""
    wait = f"touch started; while ! test -e stop; do sleep 0.05; done; {last}"
    with ExitStack() as stack:
        listen = f"127.0.0.1:{stack.enter_context(kept_port())}"
        with shell.serve(listen=listen):
            decision = good(check(shell))["decision_b64u"]
            runner = stack.enter_context(running(shell, decision, "sh", "-c", wait))
        (shell.directory / "stop").touch()
        assert wait_until(lambda: not children_of(runner.pid))  # it knows
        yield runner, listen


def test_a_command_that_does_not_exist_uses_no_decision_up(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with shell.serve():
        decision = good(check(shell))["decision_b64u"]
        execute(shell, decision, command=("no-such-command",)).check_error("PARAMETER_INVALID", 2)
        good(execute(shell, decision))


def test_a_failed_command_is_logged_as_such_and_closes_nothing(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with shell.serve():
        failed = execute(shell, good(check(shell))["decision_b64u"], command=BREAK)
        failed.check_error("EXECUTION_FAILED", 1)
        assert (failed.answer["outcome"], failed.answer["exit_code"]) == ("failure", 3)
        assert fetch_payload(shell, failed.answer["diff_b64u"]) == b"half of it\n"
        build_bundle(shell).check_error("REQUIRED_STEP_MISSING", 1)
        shell.run(
            "resolve", "--begin", failed.answer["begin"]["payload_hash_b64u"], "--note", "n", "--key", "alice.key"
        ).check_error("PARAMETER_INVALID", 2)


def test_a_crash_leaves_the_outcome_unknown_until_a_person_resolves_it(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with shell.serve():
        begin = crash_in_the_middle(shell, good(check(shell))["decision_b64u"])
        found = denied(check(shell), "EXECUTION_OUTCOME_UNKNOWN")
        assert any(begin in reason["detail"] for reason in found["reasons"])  # whoever resolves it needs the hash

        resolve = ("resolve", "--begin", begin, "--note", "rolled back by hand", "--json", "--key")
        shell.run(*resolve, "carol.key").check_error("APPROVAL_BY_REQUESTER", 1)
        shell.run(*resolve, "runner.key").check_error("APPROVAL_NOT_PERMITTED", 1)
        resolution = good(shell.run(*resolve, "alice.key"))
        assert resolution["begin_b64u"] == begin
        again = shell.run(*resolve, "bob.key")
        again.check_error("CONFLICT", 1)
        assert f"resolved already by p-alice, at index {resolution['index']}" in again.err

        decision = denied(
            check(shell), "APPROVALS_INSUFFICIENT"
        )  # it counts as failed; another round needs its own approvals
        assert "EXECUTION_OUTCOME_UNKNOWN" not in [reason["code"] for reason in decision["reasons"]]
        good(approve(shell, "alice"))
        good(approve(shell, "bob"))
        good(execute(shell, good(check(shell))["decision_b64u"]))
        close_with(shell, good(build_bundle(shell))["reference"])
        judged(shell)


def test_a_second_begin_of_a_crash_is_refused_and_the_way_on_is_said(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with shell.serve():
        decision = good(check(shell))["decision_b64u"]
        crash_in_the_middle(shell, decision)
        refused = execute(shell, decision, command=("touch", "ran"))
        refused.check_error("EXECUTION_ALREADY_BEGUN", 1)
        assert not (shell.directory / "ran").exists()


def crash_in_the_middle(shell: Shell, decision: str) -> str:
    """Kill the runner while its command is at work; the hash of the ``begin``, which it said before.

    What the command started ends with the runner.
    """
    with running(shell, decision, "bash", "-c", TWO_PROCESSES) as runner:
        child = child_at_work(shell)
        runner.kill()
        assert runner.stderr is not None
        begun = next(line for line in runner.stderr if line.startswith(b"begin "))
        assert wait_until(lambda: not is_alive(child))
        runner.wait()
        runner.stderr.close()
    return begun.split()[1].decode()


def heed_signals() -> None:
    """Undo what the tests may have been started with: nohup, or a shell's ``&``, has signals ignored by every child."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def running(shell: Shell, decision: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A runner whose command has made the file ``started``, a session of its own; killed at the end if it is still there."""
    line = ("execute", "--decision", decision, "--key", "runner.key", "--json", "--", *command)
    runner = subprocess.Popen(
        [sys.executable, "-m", "trustlog.cli", *line],
        cwd=shell.directory,
        env=dict(shell.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=heed_signals,  # noqa: PLW1509 - nothing else runs in the child before it
    )
    try:
        assert wait_until(lambda: (shell.directory / "started").exists() or runner.poll() is not None)
        assert runner.poll() is None, runner.communicate()
        yield runner
    finally:
        if runner.poll() is None:
            runner.kill()
            runner.wait()
        for stream in (runner.stdout, runner.stderr):
            assert stream is not None
            stream.close()


def ended(runner: subprocess.Popen[bytes]) -> Ended:
    out, err = runner.communicate(timeout=PATIENCE_S)
    return Ended(runner.returncode, out.decode(), err.decode())


# The inner shell must start nothing before `exec`: bash does not end by a SIGINT that a child of it, waited for, survives.
TWO_PROCESSES = "trap 'exit 3' TERM INT HUP; (echo $BASHPID > child; : > started; exec sleep 3600); echo not reached"


def child_at_work(shell: Shell) -> int:
    """The inner process of TWO_PROCESSES, once it is what ends by any signal: a shell that is about to `exec` may lose one."""
    child = int((shell.directory / "child").read_text())
    assert wait_until(lambda: Path(f"/proc/{child}/comm").read_text() == "sleep\n")
    return child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_runner_ends_the_command_and_all_it_started_and_that_is_logged(
    approved: Shell, tmp_path: Path, number: signal.Signals
) -> None:
    shell = fork(approved, tmp_path)
    with shell.serve():
        decision = good(check(shell))["decision_b64u"]
        with running(shell, decision, "bash", "-c", TWO_PROCESSES) as runner:
            child = child_at_work(shell)
            runner.send_signal(number)
            done = ended(runner)
        done.check_error("EXECUTION_FAILED", 1)
        assert (done.answer["outcome"], done.answer["told"]) == ("failure", number.name)
        assert f"{number.name} told it to stop" in done.err
        assert not is_alive(child)
        denied(check(shell), "APPROVALS_INSUFFICIENT")  # nothing is unknown: a further round needs its approvals


def test_a_command_that_does_not_listen_is_asked_more_firmly_each_time(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    deaf = "trap '' INT TERM; touch started; while :; do sleep 0.1; done"
    with shell.serve():
        with running(shell, good(check(shell))["decision_b64u"], "bash", "-c", deaf) as runner:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
                runner.send_signal(number)
                time.sleep(0.3)
            done = ended(runner)
        assert (done.answer["exit_code"], done.answer["told"]) == (-signal.SIGKILL, "SIGINT")


def test_a_command_that_was_told_to_stop_did_not_succeed_whatever_its_exit_code(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    polite = "trap 'exit 0' TERM; touch started; while :; do sleep 0.05; done"
    with shell.serve():
        with running(shell, good(check(shell))["decision_b64u"], "bash", "-c", polite) as runner:
            runner.terminate()
            done = ended(runner)
        assert (done.answer["exit_code"], done.answer["outcome"]) == (0, "failure")
        build_bundle(shell).check_error("REQUIRED_STEP_MISSING", 1)


def test_a_command_that_a_signal_ended_failed_and_which_is_said(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with shell.serve():
        killed = execute(shell, good(check(shell))["decision_b64u"], command=("sh", "-c", "kill -KILL $$"))
    killed.check_error("EXECUTION_FAILED", 1)
    assert (killed.answer["exit_code"], killed.answer["told"]) == (-signal.SIGKILL, None)
    assert "ended by SIGKILL" in killed.err


def test_a_signal_while_the_end_is_being_logged_does_not_lose_it(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with log_away_at_the_end(shell) as (runner, listen):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            runner.send_signal(number)
        with shell.serve(listen=listen):
            done = ended(runner)
            assert (done.code, done.answer["outcome"]) == (0, "success"), done  # it had ended before anybody said stop
            good(build_bundle(shell))


def test_two_runners_at_once_start_one_execution(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    append = ("sh", "-c", "echo ran >> ran; sleep 0.2")
    with shell.serve():
        decision = good(check(shell))["decision_b64u"]
        line = ("execute", "--decision", decision, "--key", "runner.key", "--json", "--", *append)
        both = [
            subprocess.Popen(
                [sys.executable, "-m", "trustlog.cli", *line],
                cwd=shell.directory,
                env={**shell.environment, "TRUSTLOG_STATE": str(tmp_path / f"state-{number}")},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for number in range(2)
        ]
        codes = sorted(ended(runner).code for runner in both)
    assert codes == [0, 1]
    assert (shell.directory / "ran").read_text() == "ran\n"


def test_output_beyond_the_bound_is_cut_and_the_stored_diff_says_so(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    much = (sys.executable, "-c", f"import sys; sys.stdout.write('x' * {MAX_DIFF_BYTES + 5})")
    with shell.serve():
        done = execute(shell, good(check(shell))["decision_b64u"], command=much)
        stored = fetch_payload(shell, good(done)["diff_b64u"])
    assert done.answer["diff_is_cut"]
    assert f"the output had {MAX_DIFF_BYTES + 5} bytes" in done.err
    assert len(stored) == MAX_DIFF_BYTES
    digest = hash_of("x" * (MAX_DIFF_BYTES + 5))
    note = (
        f"\n[trustlog kept only the beginning: the whole output had {MAX_DIFF_BYTES + 5} bytes with the SHA-256 {digest}]\n"
    )
    assert stored.endswith(note.encode())


class Forgetful(LogClient):
    """A client whose first answer to a submission is lost on its way: what it sent is in the log."""

    lost = False

    async def submit(self, envelope: bytes) -> Logged:
        answer = await super().submit(envelope)
        if not self.lost:
            self.lost = True
            raise Refused("LOG_UNREACHABLE", "the connection ended")
        return answer


async def test_a_begin_whose_answer_was_lost_starts_nothing_and_is_ended_at_once(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    trust = TrustPolicy.parse((tmp_path / "log" / "trust.toml").read_bytes())
    with shell.serve() as url:
        decision = good(check(shell))["decision_b64u"]
        async with open_session() as session:
            desk = Desk(Forgetful(url, trust, session))
            with pytest.raises(Refused, match="EXECUTION_ALREADY_BEGUN") as refused:
                await run_execution(desk, read_key_file(tmp_path / "runner.key"), decision=decision, run=must_not_run)
        assert "nothing ran, and that is logged at index" in refused.value.hint
        codes = [reason["code"] for reason in denied(check(shell), "APPROVALS_INSUFFICIENT")["reasons"]]
        assert "EXECUTION_OUTCOME_UNKNOWN" not in codes  # nobody needs to resolve it


async def test_an_end_is_never_dated_before_its_begin(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    trust = TrustPolicy.parse((tmp_path / "log" / "trust.toml").read_bytes())
    runner = read_key_file(tmp_path / "runner.key")
    ahead = [0]

    def set_back(_plan: bytes) -> Ran:
        ahead[0] = -120 * NS
        return Ran(0, b"")

    with shell.serve() as url:
        decision = good(check(shell))["decision_b64u"]
        async with open_session() as session:
            desk = Desk(LogClient(url, trust, session), clock=lambda: time.time_ns() + ahead[0])
            done = await run_execution(desk, runner, decision=decision, run=set_back)
        assert done.end.payload["issued_at"] >= done.begin.payload["issued_at"]
        good(build_bundle(shell))


def test_the_command_gets_the_plan_and_none_of_our_secrets(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    agents = dict.fromkeys(
        ("SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_ASKPASS", "GPG_AGENT_INFO", "DBUS_SESSION_BUS_ADDRESS"), "1"
    )
    shell.environment |= {**agents, "WORK_CREDENTIAL": "theirs"}
    shell.environment["RUNNER_SEED"] = (shell.directory / "runner.key").read_text().strip()
    spy = (sys.executable, "-c", "import json, os, sys; print(json.dumps([sys.stdin.read(), dict(os.environ)]))")
    with shell.serve():
        decision = good(check(shell))["decision_b64u"]
        done = good(shell.run("execute", "--decision", decision, "--key", "env:RUNNER_SEED", "--json", "--", *spy))
        given, environment = json.loads(fetch_payload(shell, done["diff_b64u"]))
    assert given.encode() == canonicalize(PLAN)
    ours = {name: value for name, value in environment.items() if name.startswith("TRUSTLOG_")}
    assert ours == {"TRUSTLOG_PLAN_FINGERPRINT": done["plan_hash_b64u"]}
    assert not {"RUNNER_SEED", *agents} & set(environment)
    assert environment["WORK_CREDENTIAL"] == "theirs"
