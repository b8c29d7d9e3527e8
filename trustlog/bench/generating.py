"""A process of its own for each load, so that watching the log and generating its load do not share an interpreter."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import Any, Final, Generic, Protocol, TypeVar

from trustlog.bench.exchange import exchange
from trustlog.bench.judging import Judge, Judged
from trustlog.bench.load import Load, LoadFile
from trustlog.bench.submitting import Answers, Shape, Submissions
from trustlog.bench.wire import Connection, RequestHeads
from trustlog.client.http import parse_log_url
from trustlog.errors import Refused
from trustlog.formats.trustpolicy import TrustPolicy

_REPORT_S: Final = 0.1
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Target:
    """Which log, and how it is believed."""

    url: str
    trust: TrustPolicy
    credential: str | None = None

    def connect(self, count: int) -> list[Connection]:
        """So many connections. Raises Refused(LOG_UNREACHABLE)."""
        return [Connection.open(parse_log_url(self.url)) for _ in range(count)]

    def heads(self) -> RequestHeads:
        """The heads of requests to it."""
        return RequestHeads(parse_log_url(self.url), self.credential)


class Job(Protocol[T_co]):
    """What a generator does. It is sent to its process."""

    def run(self, begin: Callable[[], None], report: Callable[[int], None]) -> T_co:
        """Prepare, call `begin` (which waits until the clock may start), do it, and return what came of it."""


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a write load: what was judged, when answers came, and the CPU that the generator took meanwhile."""

    judged: Judged
    answers: Answers
    elapsed_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class WriteJob:
    """Submit a load."""

    target: Target
    file: LoadFile
    shape: Shape
    check_every: int
    seed: int

    def run(self, begin: Callable[[], None], report: Callable[[int], None]) -> Written:
        """Submit it. Raises Refused(LOG_UNREACHABLE) if the log cannot be reached at all."""
        with Load(self.file) as load:
            judge = Judge(load, self.target.trust, check_every=self.check_every, seed=self.seed)
            source = Submissions(load, judge, self.shape, self.target.heads(), report=report)
            connections = self.target.connect(self.shape.connections)
            begin()
            cpu_s = time.process_time()
            source.start()
            exchange(connections, source)
            source.give_up()
            elapsed_s = time.perf_counter() - source.answers.started_s
            cpu_s = time.process_time() - cpu_s
            return Written(judge.judged, source.answers, elapsed_s, cpu_s)


class Generator(Generic[T]):
    """A job at work in its process. Ask :meth:`poll` until it has the result."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.done = 0

    def await_ready(self) -> None:
        """Wait until the job is prepared. Raises the Refused that it ended with."""
        self._receive()

    def begin(self) -> None:
        """Start the clock."""
        self._pipe.send(None)

    def poll(self, timeout_s: float) -> T | None:
        """The result, if it comes within `timeout_s`; `done` is brought up to date. Raises the job's Refused."""
        ends_s = time.perf_counter() + timeout_s
        while self._pipe.poll(max(0.0, ends_s - time.perf_counter())):
            kind, value = self._receive()
            if kind == "result":
                result: T = value
                return result
            self.done = value
        return None

    def _receive(self) -> tuple[str, Any]:
        try:
            kind, value = self._pipe.recv()
        except EOFError:
            raise Refused("UNAVAILABLE", "a process of the bench ended without a result") from None
        if kind == "refused":
            code, detail, hint = value
            raise Refused(code, detail, hint=hint)
        return kind, value


@contextmanager
def generating(job: Job[T]) -> Iterator[Generator[T]]:
    """`job` in a process of its own, which ends with the context."""
    context = multiprocessing.get_context("spawn")  # not fork: the caller may have threads
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(job, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Generator(ours)
    finally:
        ours.close()
        process.join(_REPORT_S)
        if process.is_alive():
            process.terminate()
        process.join()


def _work(job: Job[object], pipe: Pipe) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us is interrupted too, and ends us
    reported_s = 0.0

    def begin() -> None:
        pipe.send(("ready", None))
        pipe.recv()

    def report(done: int) -> None:
        nonlocal reported_s
        now_s = time.perf_counter()
        if now_s - reported_s > _REPORT_S:
            reported_s = now_s
            pipe.send(("done", done))

    with contextlib.suppress(EOFError, BrokenPipeError):  # nobody waits for it any more
        try:
            result = job.run(begin, report)
        except Refused as refusal:
            pipe.send(("refused", (refusal.code, refusal.detail, refusal.hint)))
        else:
            pipe.send(("result", result))
