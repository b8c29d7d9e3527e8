"""The processes of a real server: they end together, whoever ends first and however; and only the first can sign."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.log.actors import make_log_directory, receipt
from tests.waiting import PATIENCE_S, wait_until
from trustlog.log.directory import LogDirectory

ROOT = Path(__file__).resolve().parents[3]
WORKERS = 3
SERVE = f"""
import sys
from pathlib import Path
from trustlog.service.server import serve
sys.exit(serve(Path(sys.argv[1]), "127.0.0.1", 0, workers={WORKERS}))
"""
JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}


@dataclass
class Server:
    """A server that listens: the first process, and a port to talk to."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def pid(self) -> int:
        return self.process.pid

    def others(self) -> list[int]:
        """The processes that parted from the first one."""
        return [pid for pid, (parent, _, _) in processes().items() if parent == self.pid]

    def front_ends(self) -> list[int]:
        return [pid for pid in self.others() if self._listening() in descriptors(pid)]

    def follower(self) -> int:
        (pid,) = [pid for pid in self.others() if self._listening() not in descriptors(pid)]
        return pid

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def submit(self, envelope: bytes) -> Any:
        connection = self.connect()
        try:
            connection.request("POST", "/v1/entries", envelope, JSON)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def get(self, path: str) -> bytes:
        connection = self.connect()
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def end(self) -> tuple[int, list[str]]:
        """Wait for the first process: its exit code, and the lines on its standard error (and on that of all others)."""
        _, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, err.decode().splitlines()

    def stop(self) -> None:
        """Gracefully, and nothing to remark."""
        self.process.send_signal(signal.SIGTERM)
        assert self.end() == (0, [])

    def _listening(self) -> str:
        """The one socket that all front ends hold; the first process has let go of it."""
        table = Path("/proc/net/tcp").read_text().splitlines()[1:]
        rows = [line.split() for line in table]
        (inode,) = [row[9] for row in rows if row[1] == f"0100007F:{self.port:04X}" and row[3] == "0A"]
        return f"socket:[{inode}]"


def processes() -> dict[int, tuple[int, int, str]]:
    """Parent, process group and state of every process."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, group = path.read_text().rpartition(")")[2].split()[:3]
            found[int(path.parent.name)] = (int(parent), int(group), state)
    return found


def alive(pids: Sequence[int]) -> list[int]:
    """Those that run; a process that nobody has reaped yet does not."""
    now = processes()
    return [pid for pid in pids if pid in now and now[pid][2] not in "ZX"]


def group_members(group: int) -> list[int]:
    return alive([pid for pid, (_, of, _) in processes().items() if of == group])


def descriptors(pid: int) -> list[str]:
    """What the descriptors of a process lead to."""
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(path.readlink()))
    return found


def spawn(*command: str) -> subprocess.Popen[bytes]:
    """In a group of its own, so that a signal can be sent to all of it, and what is left of it be found."""
    return subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens, nothing of it stays."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()


@contextmanager
def serving(directory: LogDirectory, *command: str) -> Iterator[Server]:
    process = spawn(*(command or ("-c", SERVE, str(directory.path))))
    with ended(process):
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read().decode()
        server = Server(process, int(json.loads(line)["url"].rpartition(":")[2]))
        server.get("/healthz")
        yield server


def check_all_gone(pids: Sequence[int]) -> None:
    assert wait_until(lambda: not alive(pids)), f"still there: {alive(pids)}"


def check_starts_again(directory: LogDirectory, envelope: bytes, index: int) -> None:
    """What was answered once is still there, and the log goes on."""
    with serving(directory) as server:
        again, new = server.submit(envelope), server.submit(receipt("after the restart"))
        assert (again["index"], again["already_logged"]) == (index, True)
        assert new["already_logged"] is False
        server.stop()


@pytest.fixture
def directory(tmp_path: Path) -> LogDirectory:
    return make_log_directory(tmp_path / "log")


def test_the_others_end_when_the_first_process_is_killed(directory: LogDirectory) -> None:
    with serving(directory) as server:
        assert server.submit(receipt("r"))["index"] == 0
        others = server.others()
        assert len(others) == WORKERS + 1
        server.process.kill()
        server.process.wait()
        check_all_gone(others)
    check_starts_again(directory, receipt("r"), 0)


def test_no_process_holds_the_first_ones_end_of_a_channel(directory: LogDirectory) -> None:
    """Else whoever waits for that end to close would wait for others too."""
    with serving(directory) as server:
        ends = {target for target in descriptors(server.pid) if target.startswith("socket:")}
        assert len(ends) > WORKERS
        for pid in server.others():
            assert ends.isdisjoint(descriptors(pid))
        server.stop()


def test_clients_under_way_do_not_keep_them(directory: LogDirectory) -> None:
    """An idle connection, and an upload that has not ended."""
    with serving(directory) as server, contextlib.ExitStack() as stack:
        for number in range(2 * WORKERS):
            connection = server.connect()
            stack.callback(connection.close)
            if number % 2:
                connection.request("GET", "/checkpoint")
                connection.getresponse().read()
            else:
                upload(connection, [receipt(f"r-{number}")])
        others = server.others()
        server.process.kill()
        server.process.wait()
        check_all_gone(others)


HANGING = """
import sys, time
from pathlib import Path
from trustlog.log.log import Log
from trustlog.service.server import serve
async def close(log):
    await log.read(time.sleep, 3600)
Log.close = close
sys.exit(serve(Path(sys.argv[1]), "127.0.0.1", 0, workers=2))
"""  # a thread that reads something large for an hour


def test_a_long_reading_does_not_keep_them(directory: LogDirectory) -> None:
    with serving(directory, "-c", HANGING, str(directory.path)) as server:
        others = server.others()
        server.process.kill()
        server.process.wait()
        check_all_gone(others)


@pytest.mark.parametrize("which", [*range(WORKERS), "follower"])
def test_one_that_ends_unasked_ends_all_and_the_first_says_so(directory: LogDirectory, which: int | str) -> None:
    with serving(directory) as server:
        first = server.submit(receipt("r"))
        others = server.others()
        victim = server.follower() if which == "follower" else sorted(server.front_ends())[int(which)]
        os.kill(victim, signal.SIGKILL)
        code, lines = server.end()
        assert code == 1
        assert [line.partition(":")[0] for line in lines] == ["error", "hint"], lines
        assert re.search(r"follower ended|front end \d ended", lines[0])
        assert "by signal 9" in lines[0]
        check_all_gone(others)
    check_starts_again(directory, receipt("r"), first["index"])


def test_a_client_in_the_middle_of_an_upload_adds_nothing_to_what_is_said(directory: LogDirectory) -> None:
    with serving(directory) as server, contextlib.ExitStack() as stack:
        for number in range(2 * WORKERS):
            connection = server.connect()
            stack.callback(connection.close)
            upload(connection, [receipt(f"r-{number}")])
        os.kill(server.follower(), signal.SIGKILL)
        code, lines = server.end()
        assert (code, [line.partition(":")[0] for line in lines]) == (1, ["error", "hint"]), lines


def upload(connection: http.client.HTTPConnection, lines: list[bytes]) -> None:
    """Begin a batch that goes on after `lines`."""
    connection.putrequest("POST", "/v1/entries")
    for name, value in (*LINES.items(), ("Transfer-Encoding", "chunked")):
        connection.putheader(name, value)
    connection.endheaders()
    body = b"".join(line + b"\n" for line in lines)
    connection.send(b"%x\r\n%b\r\n" % (len(body), body))


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM, signal.SIGTERM, signal.SIGINT]])
def test_a_stop_answers_all_that_was_taken(directory: LogDirectory, signals: list[signal.Signals]) -> None:
    batches = [[receipt(f"{batch}-{line}") for line in range(300)] for batch in range(4)]
    with serving(directory) as server:
        others = server.others()
        connections = [server.connect() for _ in batches]
        for connection, batch in zip(connections, batches, strict=True):
            connection.request("POST", "/v1/entries", b"\n".join(batch), LINES)
        responses = [connection.getresponse() for connection in connections]  # so it was taken
        for number in signals:
            server.process.send_signal(number)
        answers = [[json.loads(line) for line in response] for response in responses]
        for connection in connections:
            connection.close()
        assert server.end() == (0, [])
        check_all_gone(others)
    indexes = sorted(answer["index"] for of_batch in answers for answer in of_batch)
    assert indexes == list(range(1200))
    check_starts_again(directory, batches[2][7], answers[2][7]["index"])


def test_an_interrupt_of_the_whole_group_is_a_graceful_stop(directory: LogDirectory) -> None:
    """What a terminal does at Ctrl-C."""
    with serving(directory) as server:
        server.submit(receipt("r"))
        others = server.others()
        os.killpg(server.pid, signal.SIGINT)
        assert server.end() == (0, [])
        check_all_gone(others)
    check_starts_again(directory, receipt("r"), 0)


def test_a_hangup_reads_the_trust_policy_again_and_ends_nothing(directory: LogDirectory) -> None:
    trusted = directory.trust_path.read_text()
    with serving(directory) as server:
        others = server.others()
        directory.trust_path.write_text("broken =")
        os.killpg(server.pid, signal.SIGHUP)
        assert server.submit(receipt("under the old one"))["index"] == 0
        directory.trust_path.write_text(re.sub(r"^gateways = .*$", "gateways = []", trusted, flags=re.MULTILINE))
        os.killpg(server.pid, signal.SIGHUP)
        names = (f"refused at last {number}" for number in range(10_000))
        assert wait_until(lambda: server.submit(receipt(next(names))).get("code") == "SIGNER_NOT_TRUSTED")
        assert sorted(server.others()) == sorted(others)
        server.process.send_signal(signal.SIGTERM)
        code, lines = server.end()
        assert code == 0
        assert "the old one stays in force" in lines[0]


def test_a_second_server_is_refused_and_disturbs_nobody(directory: LogDirectory) -> None:
    with serving(directory) as server:
        others = server.others()
        server.submit(receipt("a"))
        second = spawn("-c", SERVE, str(directory.path))
        with ended(second):
            out, err = second.communicate(timeout=PATIENCE_S)
            assert (second.returncode, out) == (1, b"")
            assert [line.partition(":")[0] for line in err.decode().splitlines()] == ["error", "hint"], err
            assert b"LOG_LOCKED" in err
            assert group_members(second.pid) == []
        assert server.submit(receipt("b"))["index"] == 1
        assert sorted(server.others()) == sorted(others)
        server.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_start_that_is_cut_short_leaves_nothing_behind(directory: LogDirectory, number: signal.Signals) -> None:
    with serving(directory) as server:  # how long a start takes here
        server.submit(receipt("r"))
        server.stop()
    began = time.monotonic()
    with serving(directory) as server:
        takes_s = time.monotonic() - began
        server.stop()
    for moment in range(8):
        process = spawn("-c", SERVE, str(directory.path))
        with ended(process):
            time.sleep(takes_s * (moment + 1) / 8)
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == (0 if out and number == signal.SIGTERM else -number)
            assert err == b""
            assert wait_until(lambda group=process.pid: not group_members(group))  # type: ignore[misc]
    check_starts_again(directory, receipt("r"), 0)


SIGNALLED_WHILE_STARTING = """
import os, signal, sys
from pathlib import Path
from trustlog.service import server
opening = server.Sequencer.open
def open_late(*arguments):
    for name in sys.argv[2:]:
        os.killpg(0, signal.Signals[name])
    return opening(*arguments)
server.Sequencer.open = open_late
sys.exit(server.serve(Path(sys.argv[1]), "127.0.0.1", 0, workers=2))
"""  # the signals come when all processes are there and the log is not open yet


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_stop_that_is_asked_for_during_the_start_is_graceful(directory: LogDirectory, name: str) -> None:
    process = spawn("-c", SIGNALLED_WHILE_STARTING, str(directory.path), "SIGHUP", name)
    with ended(process):
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert json.loads(out)["pid"] == process.pid
        assert [line for line in err.decode().splitlines() if "trust.toml was read again" not in line] == []
        check_all_gone(group_members(process.pid))


def test_a_hangup_during_the_start_ends_nothing(directory: LogDirectory) -> None:
    with serving(directory, "-c", SIGNALLED_WHILE_STARTING, str(directory.path), "SIGHUP") as server:
        assert server.submit(receipt("r"))["index"] == 0
        assert len(server.others()) == 3
        server.process.send_signal(signal.SIGTERM)
        assert server.end()[0] == 0


def test_a_front_end_that_crashes_during_a_stop_is_not_passed_over(directory: LogDirectory) -> None:
    with serving(directory) as server:
        others, busy = server.others(), server.front_ends()
        os.kill(busy[0], signal.SIGSTOP)  # holds up the end of one front end
        server.process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: len(alive(busy)) == 1)
        os.kill(busy[0], signal.SIGKILL)
        code, lines = server.end()
        assert (code, [line.partition(":")[0] for line in lines]) == (1, ["error", "hint"]), lines
        check_all_gone(others)


def memory_holds(pid: int, needles: Sequence[bytes]) -> bool:
    """Whether any of `needles` is in what a process may write."""
    overlap = max(map(len, needles)) - 1
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            extent, rights = line.split()[:2]
            start, end = (int(part, 16) for part in extent.split("-"))
            rest = b""
            while "w" in rights and start < end:
                memory.seek(start)
                try:
                    part = memory.read(min(1 << 20, end - start))
                except OSError:  # not backed by anything
                    break
                if not part or any(needle in rest + part for needle in needles):
                    return bool(part)
                start, rest = start + len(part), part[-overlap:]
    return False


def test_only_the_first_process_has_the_key_and_the_guard(directory: LogDirectory) -> None:
    """As the command starts it. Looked for in every descriptor, and in the memory of every process."""
    text = directory.key_path.read_text().strip().split("+", 4)[4].encode()
    command = ("-m", "trustlog.cli", "serve", str(directory.path), "--listen", "127.0.0.1:0", "--workers", "2")
    with serving(directory, *command) as server:
        server.submit(receipt("r"))
        front_ends, follower = server.front_ends(), server.follower()
        assert len(front_ends) == 2
        seed = signer_seed(text)
        try:
            assert memory_holds(server.pid, [seed, text]), "the search finds nothing where something is"
        except PermissionError:
            pytest.skip("this system does not let us look into our own processes")
        for pid in (*front_ends, follower):
            names = {Path(target).name for target in descriptors(pid)}
            assert names.isdisjoint({"log.key", "lock", "guard.db", "guard.db-wal", "guard.db-shm"})
            assert not memory_holds(pid, [seed, text])
        assert {"lock", "guard.db"} <= {Path(target).name for target in descriptors(server.pid)}
        server.stop()


TELLING_READS = """
import os, sys
from trustlog.cli.main import main
from trustlog.log.directory import LogDirectory
forked, fork, read = [], os.fork, LogDirectory.read_signer
def telling_fork():
    pid = fork()
    forked.append(pid)
    return pid
def telling_read(directory):
    print(os.getpid(), len(forked), file=sys.stderr, flush=True)
    return read(directory)
os.fork, LogDirectory.read_signer = telling_fork, telling_read
main()
"""


def test_the_key_is_read_once_when_all_others_have_parted(directory: LogDirectory) -> None:
    """Memory that was freed may still say what was in it, so they must never have had it."""
    command = ("-c", TELLING_READS, "serve", str(directory.path), "--listen", "127.0.0.1:0", "--workers", "2")
    with serving(directory, *command) as server:
        server.submit(receipt("r"))
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == (0, [f"{server.pid} 3"])


def signer_seed(encoded: bytes) -> bytes:
    """The 32 bytes of a C2SP private key's last part, after its type."""
    return base64.b64decode(encoded)[1:]


def test_the_index_may_be_deleted_under_way(directory: LogDirectory) -> None:
    with serving(directory) as server:
        assert server.submit(receipt("a"))["index"] == 0
        for suffix in ("", "-wal", "-shm"):
            directory.index_path.with_name(directory.index_path.name + suffix).unlink(missing_ok=True)
        later = server.submit(receipt("b"))
        assert later["index"] == 1
        server.process.send_signal(signal.SIGTERM)
        assert server.end()[0] == 0
    with serving(directory) as server:
        found = json.loads(server.get(f"/v1/proofs/inclusion?leaf_hash={later['leaf_hash_b64u']}"))
        assert (found["index"], found["tree_size"]) == (1, 2)
        server.stop()


def test_what_any_front_end_answered_every_front_end_shows(directory: LogDirectory) -> None:
    with serving(directory) as server:
        connections = [server.connect() for _ in range(4 * WORKERS)]
        failures: list[str] = []

        def submit_and_look(number: int) -> None:
            connection = connections[number]
            for i in range(20):
                connection.request("POST", "/v1/entries", receipt(f"{number}-{i}"), JSON)
                size = json.loads(connection.getresponse().read())["tree_size"]
                other = server.connect()
                other.request("GET", "/checkpoint")
                shown = int(other.getresponse().read().splitlines()[1])
                other.close()
                if shown < size:
                    failures.append(f"{shown} shown after {size} was answered")

        threads = [threading.Thread(target=submit_and_look, args=(n,)) for n in range(len(connections))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for connection in connections:
            connection.close()
        assert failures == []
        assert server.get("/checkpoint").splitlines()[1] == b"%d" % (len(connections) * 20)
        server.stop()
