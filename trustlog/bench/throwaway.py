"""A log of its own for one run: made, served and stopped with the commands that anybody has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trustlog.bench.generating import Target
from trustlog.bench.watching import await_ready
from trustlog.errors import Refused
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.keys.file import generate_key_file
from trustlog.keys.signer import Signer

ORIGIN: Final = "bench.invalid/trustlog"
GATEWAYS: Final = 4
_STOP_S: Final = 60.0  # a large write-ahead log is folded in
_READY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Restarted:
    """Seconds that a server took to stop, and when started again until it listened and until it took writes."""

    stop_s: float
    listening_s: float
    ready_s: float | None


class ThrowAwayLog:
    """A log in `place`/log with some gateways, served by a process of its own while it is started."""

    def __init__(self, place: Path) -> None:
        self.directory = place / "log"
        self.url = ""
        self.pid = 0
        self._server: subprocess.Popen[str] | None = None
        _run("init", str(self.directory), "--origin", ORIGIN)
        self.signers: tuple[Signer, ...] = tuple(generate_key_file(place / f"gateway-{n}.key") for n in range(GATEWAYS))
        for signer in self.signers:
            _run("trust", "add", "gateways", signer.did, "--trust", str(self.directory))
        self.trust = TrustPolicy.parse((self.directory / "trust.toml").read_bytes())

    def target(self) -> Target:
        """The log as it is served now."""
        return Target(self.url, self.trust)

    def start(self) -> None:
        """Serve it. Raises Refused(LOG_UNREACHABLE)."""
        command = _command("serve", str(self.directory), "--listen", "127.0.0.1:0")
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment())  # noqa: S603 - our own
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        if not line:
            self.stop()
            raise Refused("LOG_UNREACHABLE", "the log of the bench did not start", hint="see the lines above")
        said = json.loads(line)
        self.url, self.pid = said["url"], said["pid"]

    def stop(self) -> int:
        """Stop it gracefully; its exit code."""
        assert self._server is not None
        server, self._server = self._server, None
        server.terminate()
        try:
            code = server.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            code = server.wait()
        if server.stdout is not None:
            server.stdout.close()
        return code

    def restart(self) -> Restarted:
        """Stop and start it, with a clock."""
        begun_s = time.perf_counter()
        code = self.stop()
        if code != 0:
            raise Refused("UNAVAILABLE", "the log of the bench did not stop gracefully", expected="exit code 0", found=code)
        stopped_s = time.perf_counter()
        self.start()
        listening_s = time.perf_counter() - stopped_s
        waited_s = await_ready(self.url, _READY_S)
        return Restarted(stopped_s - begun_s, listening_s, None if waited_s is None else listening_s + waited_s)

    def close(self) -> None:
        """Stop it if it is served."""
        if self._server is not None:
            self.stop()


@contextmanager
def throw_away_log(kept: Path | None) -> Iterator[ThrowAwayLog]:
    """A new log that is served; in the new directory `kept`, or in a temporary one that goes with the context."""
    try:
        place = Path(tempfile.mkdtemp(prefix="trustlog-bench-")) if kept is None else kept
        if kept is not None:
            kept.mkdir(mode=0o700, parents=True)
    except OSError as error:
        detail = f"cannot make the log's directory: {error.strerror}"
        raise Refused("INPUT_UNREADABLE", detail, param="dir", hint="name a directory that does not exist yet") from None
    try:
        log = ThrowAwayLog(place)
        try:
            log.start()
            yield log
        finally:
            log.close()
    finally:
        if kept is None:
            shutil.rmtree(place, ignore_errors=True)


def _run(*arguments: str) -> None:
    ended = subprocess.run(_command(*arguments), capture_output=True, text=True, check=False, env=_environment())  # noqa: S603
    if ended.returncode != 0:
        raise Refused("INPUT_UNREADABLE", f"trustlog {arguments[0]} failed: {ended.stderr.strip()[-300:]}")


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "trustlog.cli", *arguments]


def _environment() -> dict[str, str]:
    """Ours, with this very package first."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
