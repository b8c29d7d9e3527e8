"""Real commands as processes, in a directory of their own, and a real server among them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The one JSON object on standard output."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def answers(self) -> list[Any]:
        """The JSON objects on standard output, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def check_error(self, code: str, exit_code: int) -> None:
        """Exactly one error line with `code`, one hint line after it, no traceback, and `exit_code`."""
        lines = self.err.splitlines()
        errors = [line for line in lines if line.startswith("error:")]
        hints = [line for line in lines if line.startswith("hint:")]
        assert (len(errors), len(hints), self.code) == (1, 1, exit_code), self
        assert errors[0].startswith(f"error: {code}: "), self
        assert len(hints[0]) > len("hint: "), self
        assert lines[-2:] == [errors[0], hints[0]], self
        assert "Traceback" not in self.err


class Shell:
    """A working directory, and an environment in which nothing of the user's is read or written."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TRUSTLOG_")}
        self.environment = {
            **kept,
            "HOME": str(directory),
            "XDG_STATE_HOME": str(directory / "state"),
            "PYTHONPATH": str(PROJECT),
            "PYTHONWARNINGS": "error",
        }

    def run(self, *arguments: str | Path, stdin: bytes | None = None) -> Ended:
        ended = subprocess.run(
            [sys.executable, "-m", "trustlog.cli", *map(str, arguments)],
            cwd=self.directory,
            env=self.environment,
            input=b"" if stdin is None else stdin,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def good(self, *arguments: str | Path, stdin: bytes | None = None) -> Ended:
        ended = self.run(*arguments, stdin=stdin)
        assert ended.code == 0, ended
        return ended

    def write(self, name: str, content: object) -> Path:
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    @contextmanager
    def serve(self, directory: str = "log", *, listen: str = "127.0.0.1:0") -> Iterator[str]:
        """A server of the log; its URL. It must stop with exit code 0."""
        server = subprocess.Popen(
            [sys.executable, "-m", "trustlog.cli", "serve", directory, "--listen", listen],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            line = server.stdout.readline()
            assert line, server.stderr.read().decode()
            ready = json.loads(line)
            assert ready["pid"] == server.pid
            self.environment["TRUSTLOG_LOG"] = ready["url"]
            yield ready["url"]
        finally:
            self.environment.pop("TRUSTLOG_LOG", None)
            server.send_signal(signal.SIGTERM)
            _out, err = server.communicate(timeout=PATIENCE_S)
        assert server.returncode == 0, err.decode()


@contextmanager
def kept_port() -> Iterator[int]:
    """A port of the loopback interface for a server that comes and goes: meanwhile nobody else is given it."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # who asks for this very port may have it besides
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


ORIGIN = "log.example/scripts"


def make_log(shell: Shell, **roles: str) -> None:
    """A log in ``log``, and for each ``role="name"`` a key ``name.key`` that has the role."""
    shell.good("init", "log", "--origin", ORIGIN)
    shell.environment["TRUSTLOG_TRUST"] = str(shell.directory / "log" / "trust.toml")
    for role, name in roles.items():
        shell.good("keygen", f"{name}.key")
        shell.good("trust", "add", role, f"{name}.key")


def make_receipt(number: int, **changes: object) -> dict[str, object]:
    """The payload of a gateway receipt, as a proxy in the field writes it."""
    return {
        "receipt_version": "1",
        "receipt_id": f"rcpt-{number}",
        "gateway_id": "gw-1",
        "provider": "openai",
        "model": "model-1",
        "request_hash_b64u": "A" * 43,
        "response_hash_b64u": "A" * 43,
        "tokens_input": 10,
        "tokens_output": 20,
        "latency_ms": 30,
        "timestamp": "2026-01-01T00:00:00Z",
        **changes,
    }
