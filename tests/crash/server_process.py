"""Real server processes on a log directory: started from nothing, or forked from a launcher that is warm."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.crash.faults import Fault
from tests.waiting import PATIENCE_S, children_of

SERVE = """
import sys
from pathlib import Path
from trustlog.service.server import serve
sys.exit(serve(Path(sys.argv[1]), "127.0.0.1", 0))
"""
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    vkey: str

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def connect(self) -> http.client.HTTPConnection:
        return connect(self.port)


def connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)


def start(directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SERVE, str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@contextmanager
def running(directory: Path) -> Iterator[Server]:
    """A server that listens; killed at the end if it still runs."""
    process = start(directory)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read().decode()
        said = json.loads(line)
        assert said["pid"] == process.pid
        yield Server(process, int(said["url"].rpartition(":")[2]), said["vkey"])
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


class Forked:
    """A server that a launcher forked into. `port` is None if it ended before it listened."""

    def __init__(self, channel: socket.socket, pid: int, stdout: BinaryIO, stderr: BinaryIO) -> None:
        self.pid = pid
        self._channel = channel
        self._code: int | None = None
        self._stderr = b""
        self._reading = threading.Thread(target=self._read_stderr, args=(stderr,), daemon=True)
        self._reading.start()
        with stdout:
            readable, _, _ = select.select([stdout], [], [], PATIENCE_S)
            assert readable, "the server neither listens nor ends"
            line = stdout.readline()
        self.port: int | None = int(json.loads(line)["url"].rpartition(":")[2]) if line else None

    def connect(self) -> http.client.HTTPConnection:
        assert self.port is not None, self.stderr()
        return connect(self.port)

    def terminate(self) -> int:
        """Ask it to stop; its exit code. It may have ended already."""
        return self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the first process; the others must find out."""
        self._signal(signal.SIGKILL)

    def kill_all(self) -> None:
        """Kill all of its processes at once, as a power failure would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def children(self) -> list[int]:
        """The process ids of its other processes, in the order of their making: the front ends, then the follower."""
        return children_of(self.pid)

    def wait(self) -> int:
        """The exit code of the first process (minus the signal's number), once all its processes are gone."""
        if self._code is None:
            self._channel.settimeout(PATIENCE_S)
            self._code = int(self._channel.recv(64))
        self._reading.join(PATIENCE_S)  # a pipe ends when the last process that could write to it has
        assert not self._reading.is_alive(), "processes outlive the first one"
        return self._code

    def stderr(self) -> list[str]:
        """The lines that it wrote, in all."""
        self.wait()
        return self._stderr.decode().splitlines()

    def said_so_far(self) -> list[str]:
        """The lines that it has written until now."""
        return self._stderr.decode().splitlines()

    def _signal(self, number: int) -> int:
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself a moment ago
                os.kill(self.pid, number)
        return self.wait()

    def _read_stderr(self, stderr: BinaryIO) -> None:
        with stderr:
            while some := os.read(stderr.fileno(), 65536):
                self._stderr += some


class Launcher:
    """Starts servers, one at a time, from a process that has loaded them already. Close it at the end."""

    def __init__(self, shim: Path | None) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.launcher", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **({} if shim is None else {"LD_PRELOAD": str(shim)})},
        )
        theirs.close()

    @contextmanager
    def running(self, directory: Path, fault: Fault | None = None, *, keep_after_s: float | None = None) -> Iterator[Forked]:
        """A server on `directory` that meets `fault`; it may have ended before it listened. Killed at the end if it runs.

        `keep_after_s`: of silence, after which it keeps the newest checkpoint in ``log.db``; None for what it does by itself.
        """
        server = self._start(directory, fault, keep_after_s)
        try:
            yield server
        finally:
            if server._code is None:
                server.kill_all()

    def close(self) -> None:
        self._channel.close()
        self._process.wait()

    def _start(self, directory: Path, fault: Fault | None, keep_after_s: float | None) -> Forked:
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        order = {
            "directory": str(directory),
            "fault": None if fault is None else fault.arguments(directory),
            "keep_after_s": keep_after_s,
        }
        socket.send_fds(self._channel, [json.dumps(order).encode()], [out_write, err_write])
        os.close(out_write)
        os.close(err_write)
        self._channel.settimeout(PATIENCE_S)
        pid = int(self._channel.recv(64))
        return Forked(self._channel, pid, os.fdopen(out_read, "rb"), os.fdopen(err_read, "rb", buffering=0))
