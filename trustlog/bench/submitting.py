"""The write load: receipts in batches, or one a request, at full speed or at a set rate."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from trustlog.bench.answer import Answer
from trustlog.bench.exchange import Request
from trustlog.bench.judging import Judge, Judged
from trustlog.bench.load import Load
from trustlog.bench.wire import RequestHeads
from trustlog.client.log import JSON_TYPE, NDJSON_TYPE
from trustlog.errors import Refused


@dataclass(frozen=True, slots=True)
class Shape:
    """How the load arrives: `batch` lines a request (or one envelope a request, `one_by_one`) on so many `connections`.

    `rate` bounds the receipts sent a second; 0 for no bound.
    """

    connections: int
    batch: int
    one_by_one: bool
    rate: float = 0.0

    @property
    def receipts_a_request(self) -> int:
        """How many receipts one request carries."""
        return 1 if self.one_by_one else self.batch


@dataclass(slots=True)
class Answers:
    """When answers came, in that order: one item a request. A latency is from sending a request to having its whole answer."""

    started_s: float = 0.0  # time.perf_counter
    came_s: array[float] = field(default_factory=lambda: array("d"))  # since started_s
    latencies_s: array[float] = field(default_factory=lambda: array("d"))
    receipts: array[int] = field(default_factory=lambda: array("q"))

    def add(self, sent_s: float, now_s: float, receipts: int) -> None:
        """One more."""
        self.came_s.append(now_s - self.started_s)
        self.latencies_s.append(now_s - sent_s)
        self.receipts.append(receipts)


class Submissions:
    """A source of requests that submit a load, each receipt once."""

    def __init__(
        self, load: Load, judge: Judge, shape: Shape, heads: RequestHeads, *, report: Callable[[int], None] = lambda _: None
    ) -> None:
        """`report` is told how many receipts were judged."""
        self._load = load
        self._judge = judge
        self._shape = shape
        self._heads = heads
        self._report = report
        self._next = 0
        self._media_type = JSON_TYPE if shape.one_by_one else NDJSON_TYPE
        self._known_heads: dict[int, bytes] = {}
        self.answers = Answers()

    @property
    def judged(self) -> Judged:
        """What the answers said so far."""
        return self._judge.judged

    def start(self) -> None:
        """Start the clock."""
        self.answers.started_s = time.perf_counter()

    def take(self, now_s: float) -> Request | float | None:
        """The next receipts to send, when it is time."""
        start = self._next
        if start >= self._load.count:
            return None
        if self._shape.rate:
            due_s = self.answers.started_s + start / self._shape.rate
            if due_s > now_s:
                return due_s
        end = self._next = min(start + self._shape.receipts_a_request, self._load.count)
        body = self._load.lines(start, end)
        body = body[:-1] if self._shape.one_by_one else body
        return Request(self._head(len(body)), body, (start, end))

    def answered(self, request: Request, answer: Answer, sent_s: float, now_s: float) -> None:
        """Judge an answer."""
        start, end = request.what
        self.answers.add(sent_s, now_s, end - start)
        self._judge.judge(answer, start, end, lines=not self._shape.one_by_one)
        self._report(self.judged.total)

    def failed(self, request: Request, refusal: Refused) -> None:
        """Count receipts that may or may not be logged."""
        start, end = request.what
        self.judged.refuse(refusal, end - start)

    def give_up(self) -> None:
        """Count what no connection was left to send."""
        if self._next < self._load.count:
            refusal = Refused("LOG_UNREACHABLE", "not sent: every connection had failed")
            self.judged.refuse(refusal, self._load.count - self._next)

    def _head(self, length: int) -> bytes:
        head = self._known_heads.get(length)
        if head is None:
            head = self._known_heads[length] = self._heads.post("v1/entries", self._media_type, length)
        return head
