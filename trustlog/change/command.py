"""Running a plan's command: bounded in what is kept, whole in what is ended, and told from outside when to stop.

The command has a session and a process group of its own: it has no terminal, and what ends it ends what it started, too. It is on
a leash (:mod:`trustlog.change.leash`): whatever ends us, ends it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from trustlog.formats.base64 import encode_b64u
from trustlog.limits import MAX_BLOB_BYTES
from trustlog.records.plan import compute_fingerprint

MAX_DIFF_BYTES: Final = MAX_BLOB_BYTES  # what is kept of the output, stored as one payload
STOP_GRACE_S: Final = 20.0  # between asking a command to end and ending it: well below what init systems give us
CLOSE_GRACE_S: Final = 5.0  # for output to end once everything was killed

COERCED: Final = "LC_CTYPE"  # Python sets it where no locale is set (PEP 538)
LEASH: Final = Path(__file__).with_name("leash.py")

_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ran:
    """What the command did.

    `exit_code` is negative for the signal that ended it, None if it was never started. `output` is stored as the diff produced;
    `output_size` is the length of the whole output in bytes, of which a long one is kept in part. `told` is the first signal by
    which it was told to stop.
    """

    exit_code: int | None
    output: bytes
    output_size: int = -1
    told: str | None = None

    @property
    def succeeded(self) -> bool:
        """Exit code 0 of a command that nobody told to stop: one that was may have left half of its work undone."""
        return self.exit_code == 0 and self.told is None

    @property
    def is_cut(self) -> bool:
        """Whether there was more output than is kept."""
        return self.output_size > MAX_DIFF_BYTES

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        told = "" if self.told is None else f", after {self.told} told it to stop"
        if self.exit_code is None:
            return f"the command was not started{told}"
        if self.exit_code < 0:
            return f"the command was ended by {_name(-self.exit_code)}{told}"
        return f"the command ended with exit code {self.exit_code}{told}"


class PlanCommand:
    """One command, run once with a plan on its standard input. :meth:`stop` may be called at any time, from a signal handler."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, stop_grace_s: float = STOP_GRACE_S
    ) -> None:
        self._command = list(command)
        self._environment = environment
        self._stop_grace_s = stop_grace_s
        self._process: subprocess.Popen[bytes] | None = None
        self._told: list[signal.Signals] = []
        self._sent: signal.Signals | None = None
        self._timer: threading.Timer | None = None
        self._is_over = False
        self._ours = -1  # the leash's other end

    def run(self, plan: bytes) -> Ran:
        """Run it to its end. ``TRUSTLOG_PLAN_FINGERPRINT`` in its environment names the plan; standard error passes through."""
        if self._told:
            return Ran(None, b"not started: it was told to stop first\n", told=self._told[0].name)
        environment = {**self._environment, "TRUSTLOG_PLAN_FINGERPRINT": compute_fingerprint(plan)}
        try:
            process = self._start(environment)
        except OSError as error:
            os.close(self._ours)
            return Ran(127, f"{self._command[0]}: {error.strerror}\n".encode())
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        if self._told:  # between the look above and the start
            self._send(self._told[0])
        output = _Output()
        threading.Thread(target=_feed, args=(process.stdin, plan), daemon=True).start()
        reader = threading.Thread(target=output.drain, args=(process.stdout,), daemon=True)
        reader.start()
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # not yet reaped: its group's number stays its own
        if ended is not None and ended.si_status == signal.SIGKILL and ended.si_code != os.CLD_EXITED:
            self._send(signal.SIGKILL)  # perhaps it was the leash that somebody killed
        self._wait_for_output(reader)
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        told = self._told[0].name if self._told else None
        exit_code = process.wait()
        os.close(self._ours)
        return Ran(exit_code, output.kept(ended=not reader.is_alive()), output.size, told)

    def _start(self, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        theirs, self._ours = os.pipe()
        unset = "" if COERCED in environment else COERCED
        leash = [sys.executable, "-I", "-S", str(LEASH), str(theirs), str(self._stop_grace_s), unset]
        try:
            return subprocess.Popen(  # noqa: S603 - the runner's own command, without a shell
                [*leash, *self._command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                start_new_session=True,
                pass_fds=(theirs,),
            )
        finally:
            os.close(theirs)

    def stop(self, number: int) -> None:
        """Pass a signal on to the command and all that it started.

        A command that is asked to end gets some time; a further signal asks more firmly: SIGINT, then SIGTERM, then SIGKILL.
        """
        asked = signal.Signals(number)
        self._told.append(asked)
        if self._process is not None:
            firmer = signal.SIGTERM if self._sent == signal.SIGINT else signal.SIGKILL
            self._send(asked if self._sent is None else firmer)

    def _send(self, number: signal.Signals) -> None:
        if self._is_over or self._process is None:
            return
        self._sent = number
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
        if number not in (signal.SIGINT, signal.SIGKILL) and self._timer is None:
            self._timer = threading.Timer(self._stop_grace_s, self._send, (signal.SIGKILL,))
            self._timer.daemon = True
            self._timer.start()

    def _wait_for_output(self, reader: threading.Thread) -> None:
        """What the command started may still be at work and write; who left the group and holds on to it is not waited for."""
        while reader.is_alive() and self._sent != signal.SIGKILL:
            reader.join(0.2)
        reader.join(CLOSE_GRACE_S)


class _Output:
    """What comes out of a pipe: counted and hashed whole, kept up to the bound."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = hashlib.sha256()
        self._kept = bytearray()

    def drain(self, pipe: IO[bytes]) -> None:
        with pipe:
            while chunk := os.read(pipe.fileno(), _CHUNK):
                self.size += len(chunk)
                self._digest.update(chunk)
                self._kept += chunk[: MAX_DIFF_BYTES - len(self._kept)]

    def kept(self, *, ended: bool) -> bytes:
        """The output; one that was cut ends with a line that says so."""
        if ended and self.size <= MAX_DIFF_BYTES:
            return bytes(self._kept)
        whole = f"{self.size} bytes with the SHA-256 {encode_b64u(self._digest.digest())}"
        said = f"the whole output had {whole}" if ended else f"the output had not ended after {whole}"
        note = f"\n[trustlog kept only the beginning: {said}]\n".encode()
        return bytes(self._kept[: MAX_DIFF_BYTES - len(note)]) + note


def _feed(pipe: IO[bytes], plan: bytes) -> None:
    with contextlib.suppress(OSError), pipe:  # a command need not read its plan
        pipe.write(plan)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
