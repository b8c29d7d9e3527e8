"""The scene of every fault: a log as a kill has left it, and one fixed piece of work for its server."""

from __future__ import annotations

import shutil
import signal
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from tests.crash.faults import AUTHORITATIVE, Action, Call, Fault, read_trace
from tests.crash.server_process import Forked, Launcher
from tests.crash.witness import Answer, Client, Witnessed, check_whole
from tests.integration.log.actors import make_log_directory, receipt
from trustlog.log.directory import LogDirectory
from trustlog.storage.log_reader import LogReader

FIRST_SIZE = 245  # so that the work fills a tile and begins another
NOTHING_FAILS = Fault()
WORK = (1, 3, 20, 1)  # how many envelopes at a time
PAUSE_AFTER = 3  # so many
PAUSE_S = 0.1  # long enough for what the log does when nobody submits


@dataclass(frozen=True)
class Stage:
    """`path` is a log directory to copy, killed when its last entries were stored and not yet signed.

    `witnessed` is what its clients have been told.
    """

    path: Path
    witnessed: Witnessed

    def set_up(self, path: Path) -> LogDirectory:
        """A copy of the directory."""
        shutil.copytree(self.path, path)
        return LogDirectory(path)

    def begin(self) -> Witnessed:
        """What was heard up to here, to go on from."""
        return Witnessed(list(self.witnessed.heard))


def make_stage(launcher: Launcher, folder: Path) -> Stage:
    """Grow a log, and kill it between storing and signing: at the first change of ``guard.db`` after it has listened."""
    directory = make_log_directory(folder / "log")
    witnessed = Witnessed()
    with launcher.running(directory.path) as server:
        answers = Client(server.connect, witnessed).submit([receipt(f"old-{i}") for i in range(FIRST_SIZE)])
        assert [answer["index"] for answer in answers] == list(range(FIRST_SIZE))
        assert server.terminate() == 0
    started = count_calls(launcher, directory.path, folder / "trace", files=("guard.db",))
    with launcher.running(directory.path, Fault(Action.KILL_BEFORE, first=started + 1, files=("guard.db",))) as server:
        answers = Client(server.connect, witnessed).submit([receipt("unsigned")])
        assert not any("checkpoint" in answer for answer in answers)
        assert server.wait() == -signal.SIGKILL
    stage = Stage(directory.path, witnessed)
    reader = LogReader(stage.set_up(folder / "copy to look at").log_path)
    assert reader.size() == FIRST_SIZE + 1
    reader.close()
    return stage


def count_calls(launcher: Launcher, path: Path, trace: Path, *, files: tuple[str, ...] = AUTHORITATIVE) -> int:
    """How many calls on `files` a start makes before the server listens."""
    with launcher.running(path, Fault(files=files, trace=trace)) as server:
        assert server.port is not None
        calls = len(read_trace(trace))
        assert server.terminate() == 0
    return calls


@cache
def work() -> tuple[tuple[bytes, ...], ...]:
    """The envelopes that are submitted, request by request: signed once, since every run submits the same."""
    return tuple(tuple(receipt(f"work-{n}-{i}") for i in range(count)) for n, count in enumerate(WORK))


PAYLOAD = b"a plan that is no entry" * 400


def do_work(server: Forked, witnessed: Witnessed) -> None:
    """Submit everything, and look at the checkpoint in between. What is refused or breaks off is not tried again."""
    if server.port is None:
        return
    client = Client(server.connect, witnessed)
    client.get_checkpoint()
    for envelopes in work():
        client.submit(envelopes)
        client.get_checkpoint()
        if len(envelopes) == PAUSE_AFTER:
            time.sleep(PAUSE_S)
    client.put_payload(PAYLOAD)
    client.get_checkpoint()


class NotRepaired(AssertionError):
    """Nothing is lost, but a start did not repair what a crash had left: the log takes no entries."""


def check_after(launcher: Launcher, directory: LogDirectory, witnessed: Witnessed) -> None:
    """A start repairs what was left; everything that was acknowledged is there; submitting again is answered the same.

    Raises NotRepaired if only the repair is missing.
    """
    with launcher.running(directory.path) as server:
        client = Client(server.connect, witnessed)
        assert server.port is not None, server.stderr()
        status, body = client.get("/readyz")
        if status == 503:
            assert client.get_checkpoint() is not None
            assert server.terminate() == 0
            check_whole(directory, witnessed)
            raise NotRepaired(body.decode())
        assert (status, server.said_so_far()) == (200, []), body
        assert client.get_checkpoint() is not None
        indexes = {answer["entry"]: answer["index"] for answer in witnessed.answers}
        for envelopes in work():
            answers = client.submit(envelopes)
            assert len(answers) == len(envelopes)
            for answer in answers:
                check_same_place(answer, indexes)
        had_payload = bool(witnessed.payloads)
        assert client.put_payload(PAYLOAD) in ([200] if had_payload else [200, 201])
        assert server.terminate() == 0
        assert server.stderr() == []
    assert check_whole(directory, witnessed) == FIRST_SIZE + 1 + sum(WORK)


def check_same_place(answer: Answer, indexes: dict[str, int]) -> None:
    assert "entry" in answer, answer
    if answer["entry"] in indexes:
        assert answer["already_logged"]
        assert answer["index"] == indexes[answer["entry"]]


def trace_of_work(
    launcher: Launcher, stage: Stage, folder: Path, *, fault: Fault = NOTHING_FAILS
) -> tuple[list[Call], Witnessed]:
    """The calls of a start, the work and a stop when nothing fails, and what was heard meanwhile; `fault` says which calls."""
    directory = stage.set_up(folder / "traced")
    witnessed = stage.begin()
    trace = folder / "trace"
    with launcher.running(directory.path, replace(fault, trace=trace)) as server:
        do_work(server, witnessed)
        assert server.terminate() == 0
    assert witnessed.refused == []
    return read_trace(trace), witnessed
