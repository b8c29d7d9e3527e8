"""An interrupt ends the whole command with one line, whatever its workers were about."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest

from tests.waiting import PATIENCE_S
from verifier.errors import Unavailable
from verifier.reading import BundleRead
from verifier.workers import _Interrupt, _take, _uninterrupted_children

IS_BLOCKED = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"


@pytest.fixture
def interrupt() -> _Interrupt:
    """What reading listens with; it listens no longer than its test."""
    made = _Interrupt()
    made.restore()
    return made


def broken() -> Future[list[BundleRead]]:
    future: Future[list[BundleRead]] = Future()
    future.set_exception(BrokenProcessPool())
    return future


def test_a_worker_that_still_starts_does_not_hear_an_interrupt() -> None:
    with _uninterrupted_children():
        child = subprocess.run(
            [sys.executable, "-c", IS_BLOCKED], capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
    assert child.stdout == "True\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_worker_that_ended_by_an_interrupt_is_no_verdict_on_the_log(interrupt: _Interrupt) -> None:
    with pytest.raises(Unavailable, match="LOG_UNREACHABLE"):
        _take(broken(), interrupt)
    listening = _Interrupt()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            _take(broken(), listening)
    finally:
        listening.restore()
