"""Processes that part from this one, each tied to it by a pair of sockets: whoever ends, the other side reads an end."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the first process heeds them for all
PATIENCE_S: Final = 10.0  # how long a child may take to end once its socket is closed: a second, where the machine lets it
_POLL_S: Final = 0.01

_LOGGER = logging.getLogger(__name__)


@dataclass
class Child:
    """A process, and this side of its socket."""

    name: str
    pid: int
    socket: socket.socket
    _status: int | None = field(default=None, init=False)

    @property
    def failed(self) -> bool:
        """Whether it has ended by a signal or with a status; waits a moment for the system to know."""
        return bool(self._wait(PATIENCE_S))

    def how_it_ended(self) -> str:
        """In words, for an error; waits a moment for the system to know."""
        status = self._wait(PATIENCE_S)
        if status is None:
            return "it closed its channel"
        code = os.waitstatus_to_exitcode(status)
        return f"by signal {-code}" if code < 0 else f"with exit status {code}"

    def end(self) -> None:
        """Close its socket, wait for it to end, and kill it if it does not."""
        self.socket.close()
        if self._wait(PATIENCE_S) is None:
            _LOGGER.warning("the %s did not end by itself and is killed", self.name)
            os.kill(self.pid, signal.SIGKILL)
            self._wait(PATIENCE_S)

    def _wait(self, patience_s: float) -> int | None:
        deadline = time.monotonic() + patience_s
        while self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # who started us has children reaped unseen: it is gone, nobody knows how
                pid, status = self.pid, 0
            if pid:
                self._status = status
            elif time.monotonic() > deadline:
                return None
            else:
                time.sleep(_POLL_S)
        return self._status


def end_soon() -> None:
    """The first process is gone: this one ends within a second, whatever its threads are doing."""
    signal.alarm(1)


def start_child(name: str, run: Callable[[socket.socket], int], others: Sequence[Child], *unused: socket.socket) -> Child:
    """Part: the new process calls `run` with its end of the socket, and exits with what that returns.

    It lets go of the sockets of the `others` and of those that are `unused` there: else nobody would read an end. To be called
    while this process has one thread and blocks :data:`SIGNALS`, and before it has opened what the other shall not have.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid:
        theirs.close()
        return Child(name, pid, ours)
    code = 70  # EX_SOFTWARE: an exception that nobody expected
    try:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        for held in (ours, *(other.socket for other in others), *unused):
            held.close()
        code = run(theirs)
    except BaseException:
        _LOGGER.exception("the %s failed", name)
    finally:
        os._exit(code)
