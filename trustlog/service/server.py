"""The server's first process: it listens, parts into front ends and a follower, and then is the one writer.

=============  =======================================================================================================
process        what it does, and has
=============  =======================================================================================================
the first      the :class:`~trustlog.log.sequencer.Sequencer`: the lock, the log's key, the guard. It speaks no HTTP
front ends     HTTP, admission, reading; as many as ``--workers`` says. They never have the key: they part before it is read
the follower   fills ``index.db``
=============  =======================================================================================================

They are tied together by sockets: when the first process ends, in whatever way, the others notice and end; when one of the others
ends unasked, the first says so, and ends.

It stops gracefully on SIGINT and SIGTERM: no new connections, answers what it took, exits 0. After a Fatal it stops at once,
says why and what to do, and exits 1. SIGHUP reads ``trust.toml`` again. A signal that comes during the start waits for its end.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from trustlog.errors import Fatal, TrustlogError
from trustlog.log.directory import LogDirectory
from trustlog.log.sequencer import Sequencer
from trustlog.log.shared import SharedSlots
from trustlog.service.children import SIGNALS, Child, start_child
from trustlog.service.follower import run_follower
from trustlog.service.worker import FrontEnd, run_worker

START_AGAIN: Final = "nothing acknowledged is lost; start it again, or let a supervisor do so"
BACKLOG: Final = 1024
GARBAGE_THRESHOLD: Final = 20_000  # objects: some chunks of a batch; nothing here leaves cycles behind in a hurry

_LOGGER = logging.getLogger(__name__)


def serve(directory: Path, host: str, port: int, *, workers: int | None = None) -> int:
    """Serve the log in `directory` until told to stop; the exit code. `port` 0 picks a free one; by default one worker a core.

    Prints one JSON line ``{"url","vkey","pid"}`` on stdout once it listens, and after a failure one ``error:`` and one
    ``hint:`` line on stderr.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until each process has said what it does about them
    try:
        _serve(LogDirectory(directory), host, port, workers or len(os.sched_getaffinity(0)))
    except TrustlogError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        print(f"hint: {error.hint or 'see the documentation of this code'}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return 0


def _serve(directory: LogDirectory, host: str, port: int, workers: int) -> None:
    listening = _listen(host, port)
    gc.freeze()  # what is loaded by now is never garbage, and is shared by all processes
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
    slots = SharedSlots(1 + 2 * workers)
    children: list[Child] = []
    try:
        for number in range(workers):
            front_end = FrontEnd(number, workers, directory, listening, slots)
            children.append(start_child(f"front end {number}", partial(run_worker, front_end), children))
        follower = start_child("follower", partial(run_follower, directory, slots.slot(0)), children, listening)
        children.append(follower)
        sequencer = Sequencer.open(directory, slots.slot(0))
        try:
            _Conductor(sequencer, children[:-1], follower).run(listening)
        finally:
            sequencer.close()
        _check_ends(children[:-1])
    finally:
        listening.close()
        for child in children:
            child.socket.close()
        for child in children:
            child.end()


def _check_ends(front_ends: list[Child]) -> None:
    """After a graceful stop: whoever crashed meanwhile may have left somebody without an answer."""
    for child in front_ends:
        if child.failed:
            detail = f"the {child.name} ended before it had finished: {child.how_it_ended()}"
            raise Fatal("INTERNAL_ERROR", detail, param="process")


class _Conductor:
    """Runs the writer, and heeds signals and the ends of the other processes meanwhile."""

    def __init__(self, sequencer: Sequencer, front_ends: list[Child], follower: Child) -> None:
        self._sequencer = sequencer
        self._front_ends = front_ends
        self._follower = follower
        self._stopping = False

    def run(self, listening: socket.socket) -> None:
        wakeup, signalled = socket.socketpair()
        signalled.setblocking(False)
        for number in SIGNALS:
            signal.signal(number, lambda _number, _frame: None)
        signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        self._sequencer.watch(wakeup.fileno(), lambda: self._heed(wakeup.recv(64)))
        self._sequencer.watch(self._follower.socket.fileno(), lambda: self._lost(self._follower))
        for child in self._front_ends:
            self._sequencer.add_channel(child.socket, lost=partial(self._lost, child))
        _announce(listening, self._sequencer)
        listening.close()  # the front ends have it
        try:
            self._sequencer.run()
        finally:
            signal.set_wakeup_fd(-1)
            wakeup.close()
            signalled.close()

    def _heed(self, numbers: bytes) -> None:
        if signal.SIGHUP in numbers:
            self._reload_trust()
        if not self._stopping and (signal.SIGINT in numbers or signal.SIGTERM in numbers):
            self._stopping = True
            self._sequencer.stop()

    def _reload_trust(self) -> None:
        try:
            sha256 = self._sequencer.reload_trust()
        except TrustlogError as error:
            _LOGGER.error("trust.toml was not taken, the old one stays in force: %s", error)  # noqa: TRY400
        else:
            _LOGGER.warning("trust.toml was read again: SHA-256 %s", sha256.hex())

    def _lost(self, child: Child) -> None:
        if self._stopping and child is self._follower:
            self._sequencer.unwatch(child.socket.fileno())  # its end can be read again and again
        elif not self._stopping:
            detail = f"the {child.name} ended unasked: {child.how_it_ended()}"
            raise Fatal("INTERNAL_ERROR", detail, param="process", hint=START_AGAIN)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        raise TrustlogError(
            "UNAVAILABLE",
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="choose another address, or port 0 for any free one",
        ) from error
    return listening


def _announce(listening: socket.socket, sequencer: Sequencer) -> None:
    host, port = listening.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    line = msgspec.json.encode({"url": url, "vkey": sequencer.vkey, "pid": os.getpid()})
    print(line.decode(), flush=True)  # noqa: T201
    if sequencer.read_only is not None:
        _LOGGER.error("read-only: %s; %s", sequencer.read_only, sequencer.read_only.hint)
