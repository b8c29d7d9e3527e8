"""A server that is killed at random while it writes loses nothing that it acknowledged, and never contradicts itself."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
import time
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from tests.crash.launcher import FRONT_ENDS
from tests.crash.server_process import Forked, Launcher, running, start
from tests.crash.witness import Client, Witnessed, check_by_verifier, check_whole
from tests.integration.log.actors import make_log_directory, receipt
from tests.waiting import PATIENCE_S
from trustlog.log.directory import LogDirectory
from trustlog.storage.guard import Guard, SignedTree

LONGEST_RUN_S = 0.3
CLIENTS = 3
KILLS_OF_ONE_LOG = 25  # then the next log: checking a whole log takes longer the longer it is
KILLS_BEFORE_A_CHECK = 5


def submit_until_dead(server: Forked, name: str, witnessed: Witnessed) -> None:
    """Submit one after the other, some of them batches, until nothing comes back."""
    client = Client(server.connect, witnessed)
    number = 0
    while True:
        envelopes = [receipt(f"{name}-{number + i}") for i in range(40 if number % 7 == 0 else 1)]
        number += len(envelopes)
        answers = client.submit(envelopes)
        if len(answers) < len(envelopes) or client.get_checkpoint() is None:
            return


class Victim(StrEnum):
    """What is killed."""

    ALL = "all processes at once"
    FIRST = "the first process"
    FRONT_END = "a front end"
    FOLLOWER = "the follower"


def kill(server: Forked, victim: Victim) -> None:
    """Kill it; where the first process outlives it, that ends too, and says why."""
    if victim == Victim.ALL:
        server.kill_all()
    elif victim == Victim.FIRST:
        server.kill()
    else:
        os.kill(server.children()[0 if victim == Victim.FRONT_END else -1], signal.SIGKILL)
        assert server.wait() == 1
        assert [line.split(":")[0] for line in server.stderr()] == ["error", "hint"]
        assert "ended unasked: by signal 9" in server.stderr()[0]


def kill_while_writing(
    launcher: Launcher, directory: LogDirectory, witnessed: Witnessed, *, name: str, after_s: float, victim: Victim
) -> None:
    """Kill the `victim` a moment after the server listens."""
    with launcher.running(directory.path) as server:
        threads = [
            threading.Thread(target=submit_until_dead, args=(server, f"{name}-{n}", witnessed)) for n in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        time.sleep(after_s)
        kill(server, victim)
        for thread in threads:
            thread.join()
        assert not any("Traceback" in line for line in server.stderr()), "\n".join(server.stderr())


def stop_cleanly(launcher: Launcher, directory: LogDirectory) -> None:
    with launcher.running(directory.path) as server:
        assert server.terminate() == 0
        assert server.stderr() == []


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_nothing_acknowledged_is_lost_and_nothing_is_forked(
    launcher: Launcher, tmp_path: Path, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The long form: ``--kills 2000``. It prints what it has done after each log, and runs beside anything else."""
    moments = random.Random(kills)  # noqa: S311 - the same moments every time
    began = time.monotonic()
    answers = checkpoints = 0
    for first in range(0, kills, KILLS_OF_ONE_LOG):
        directory = make_log_directory(tmp_path / f"log-{first}")
        witnessed = Witnessed()
        for number in range(min(KILLS_OF_ONE_LOG, kills - first)):
            kill_while_writing(
                launcher,
                directory,
                witnessed,
                name=f"kill-{first + number}",
                after_s=moments.uniform(0.0, LONGEST_RUN_S),
                victim=moments.choice(list(Victim)),
            )
            if number % KILLS_BEFORE_A_CHECK == KILLS_BEFORE_A_CHECK - 1:
                stop_cleanly(launcher, directory)
                check_whole(directory, witnessed)
        stop_cleanly(launcher, directory)
        size = check_whole(directory, witnessed)
        assert size >= len({answer["index"] for answer in witnessed.answers}) > 0
        if first == 0:
            check_by_verifier(directory, tmp_path / "exported")
        shutil.rmtree(directory.path)
        answers += len(witnessed.answers)
        checkpoints += len({heard.checkpoint for heard in witnessed.heard})
        if kills > KILLS_OF_ONE_LOG:
            with capsys.disabled():
                done = f"{min(first + KILLS_OF_ONE_LOG, kills)} kills, {answers} acknowledged entries checked"
                report = f"{done}, {checkpoints} checkpoints compared, {time.monotonic() - began:.0f} s"
                print("", report, sep="\n", end="", flush=True)  # noqa: T201 - whoever waits for the long form wants to see it


@pytest.mark.parametrize("victim", [Victim.FRONT_END, Victim.FOLLOWER])
def test_the_service_ends_with_any_of_its_processes(launcher: Launcher, tmp_path: Path, victim: Victim) -> None:
    """Half a service is none: whoever watches over it sees one process end, and starts it again."""
    directory = make_log_directory(tmp_path / "log")
    witnessed = Witnessed()
    with launcher.running(directory.path) as server:
        assert len(server.children()) == FRONT_ENDS + 1
        assert Client(server.connect, witnessed).submit([receipt("r")])[0]["index"] == 0
        kill(server, victim)
    with launcher.running(directory.path) as server:
        assert Client(server.connect, witnessed).submit([receipt("r")])[0]["already_logged"]
        assert server.terminate() == 0
    assert check_whole(directory, witnessed) == 1


def test_submitting_again_after_a_kill_finds_the_first_entry(tmp_path: Path) -> None:
    directory = make_log_directory(tmp_path / "log")
    envelope = receipt("r")
    answers = []
    for _ in range(2):
        with running(directory.path) as server:
            connection = server.connect()
            connection.request("POST", "/v1/entries", envelope, {"Content-Type": "application/json"})
            answers.append(json.loads(connection.getresponse().read()))
            connection.close()
            server.kill()
    assert [answer["index"] for answer in answers] == [0, 0]
    assert [answer["already_logged"] for answer in answers] == [False, True]


def test_a_graceful_stop_answers_what_it_took_and_exits_0(tmp_path: Path) -> None:
    directory = make_log_directory(tmp_path / "log")
    with running(directory.path) as server:
        connection = server.connect()
        lines = b"\n".join(receipt(f"r-{i}") for i in range(500))
        connection.request("POST", "/v1/entries", lines, {"Content-Type": "application/x-ndjson"})
        response = connection.getresponse()
        server.process.send_signal(signal.SIGTERM)
        answers = [json.loads(line) for line in response]
        connection.close()
        assert server.process.wait(PATIENCE_S) == 0
        assert server.process.stderr is not None
        assert server.process.stderr.read() == b""
    assert [answer["index"] for answer in answers] == list(range(500))


def test_a_second_server_on_the_directory_is_refused_and_says_so(tmp_path: Path) -> None:
    directory = make_log_directory(tmp_path / "log")
    with running(directory.path):
        second = start(directory.path)
        out, err = second.communicate(timeout=PATIENCE_S)
    assert (second.returncode, out) == (1, b"")
    lines = err.decode().splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    assert "LOG_LOCKED" in lines[0]


def test_a_fatal_failure_stops_the_process_and_says_what_to_do(tmp_path: Path) -> None:
    directory = make_log_directory(tmp_path / "log")
    with running(directory.path) as server:
        guard = Guard.open(directory.guard_path)
        assert guard is not None
        mine = guard.last_signed()
        assert mine is not None
        guard.advance(mine, SignedTree(7, bytes(32), b"another writer's"))
        guard.close()
        connection = server.connect()
        connection.request("POST", "/v1/entries", receipt("r"), {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["code"]) == (503, "UNAVAILABLE")
        connection.close()
        assert server.process.wait(PATIENCE_S) == 1
        assert server.process.stderr is not None
        lines = server.process.stderr.read().decode().splitlines()
    assert lines[0].startswith("error: GUARD_MISMATCH")
    assert lines[1].startswith("hint: ")
    assert len(lines) == 2


def test_sighup_reads_the_trust_policy_again(tmp_path: Path) -> None:
    directory = make_log_directory(tmp_path / "log")
    text = directory.trust_path.read_text()
    with running(directory.path) as server:
        connection = server.connect()
        assert server.process.stderr is not None

        def code(name: str) -> str | None:
            connection.request("POST", "/v1/entries", receipt(name), {"Content-Type": "application/json"})
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer.get("code")

        assert code("a") is None
        for trust in ("broken =", text.replace("did:key:", "did:kex:"), ""):
            directory.trust_path.write_text(trust)
            server.process.send_signal(signal.SIGHUP)
            assert b"the old one stays in force" in server.process.stderr.readline()
            assert code(f"after {len(trust)}") is None
        directory.trust_path.write_text(
            "\n".join("gateways = []" if line.startswith("gateways") else line for line in text.splitlines())
        )
        server.process.send_signal(signal.SIGHUP)
        assert b"trust.toml was read again" in server.process.stderr.readline()
        assert code("z") == "SIGNER_NOT_TRUSTED"
        connection.close()
