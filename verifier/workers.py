"""Reads many ranges at once, on every core, and hands them over in order.

Workers are new processes, never forked ones: the reader may have threads. A worker that dies or does not answer is
a verdict (undecided), never a wait without end; workers end when their parent does, however it ended.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait

from verifier import limits
from verifier.errors import Unavailable, Unusable
from verifier.reading import BundleRead, Plan, read_range
from verifier.source import Source, open_source

_POLL_S = 0.5
_AHEAD = 3  # ranges a worker that wait to be taken: enough that none is idle, few enough to be small


def count_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose_workers(asked: int | None) -> int:
    """How many workers to use: what was asked for, else one a core. Raises Unusable PARAMETER_INVALID."""
    if asked is None:
        return count_cores()
    if not 1 <= asked <= limits.MAX_WORKERS:
        raise Unusable("PARAMETER_INVALID", "--workers", expected=f"1 to {limits.MAX_WORKERS}", found=str(asked))
    return asked


def read_ranges(
    source: Source, plan: Plan, ranges: Iterator[range], *, workers: int
) -> Generator[list[BundleRead], None, None]:
    """`read_range` of each range, in order; here if `workers` is 1.

    Raises what reading raises, of the first range that has something wrong; Unavailable LOG_UNREACHABLE if a worker died.
    """
    if workers <= 1:
        for numbers in ranges:
            yield read_range(source, plan, numbers)
        return
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        max_workers=workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(plan,),
    )
    waiting: deque[Future[list[BundleRead]]] = deque()
    interrupt = _Interrupt()
    try:
        for numbers in ranges:
            if len(waiting) == _AHEAD * workers:
                yield _take(waiting.popleft(), interrupt)
            waiting.append(_submit(pool, numbers, interrupt))
        while waiting:
            yield _take(waiting.popleft(), interrupt)
        interrupt.check()
    except BaseException:
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        interrupt.restore()


def _submit(pool: ProcessPoolExecutor, numbers: range, interrupt: _Interrupt) -> Future[list[BundleRead]]:
    try:
        with _uninterrupted_children():
            return pool.submit(_read, numbers)
    except BrokenProcessPool:
        interrupt.check()
        raise _lost("one ended by itself") from None


def _take(future: Future[list[BundleRead]], interrupt: _Interrupt) -> list[BundleRead]:
    deadline = time.monotonic() + limits.WORKER_S
    while True:
        interrupt.check()
        try:
            return future.result(timeout=_POLL_S)
        except BrokenProcessPool:
            interrupt.check()  # an interrupt is for the whole group: it may have ended a worker as well
            raise _lost("one ended by itself") from None
        except TimeoutError:
            if time.monotonic() > deadline:
                raise _lost(f"none answered within {limits.WORKER_S} s") from None


@contextmanager
def _uninterrupted_children() -> Iterator[None]:
    """A child begun meanwhile inherits the mask: an interrupt while it still starts would end it with a traceback."""
    if not hasattr(signal, "pthread_sigmask"):  # not everywhere
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Interrupt:
    """An interrupt waits until the pool can take it: one that comes amidst its locks would break them."""

    def __init__(self) -> None:
        self._came = False
        self._is_ours = threading.current_thread() is threading.main_thread()
        self._before = signal.signal(signal.SIGINT, self._note) if self._is_ours else None

    def _note(self, *_: object) -> None:
        self._came = True

    def check(self) -> None:
        """Raises KeyboardInterrupt if one came."""
        if self._came:
            raise KeyboardInterrupt

    def restore(self) -> None:
        """What came before, from here on."""
        if self._is_ours:
            signal.signal(signal.SIGINT, self._before)


def _lost(found: str) -> Unavailable:
    return Unavailable("LOG_UNREACHABLE", "worker processes", expected="each to read its range", found=found)


class _Worker:
    """What this process reads, if it is a worker."""

    plan: Plan
    source: Source | None = None


def _begin(plan: Plan) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    threading.Thread(target=_end_with_parent, daemon=True, name="parent").start()
    _Worker.plan = plan


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _read(numbers: range) -> list[BundleRead]:
    if _Worker.source is None:
        _Worker.source = open_source(_Worker.plan.location)
    return read_range(_Worker.source, _Worker.plan, numbers)
