"""Driving the load: so many connections, each with one request at a time; an answer counts once it is proven."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
from yarl import URL

from trustlog.bench.proving import SharedProofs
from trustlog.bench.receipts import Load
from trustlog.bench.wire import Answer, Connection
from trustlog.client.answers import parse_line, parse_problem, response_invalid
from trustlog.client.checking import accept_checkpoint
from trustlog.client.log import JSON_TYPE, NDJSON_TYPE
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.trustpolicy import TrustedCheckpoint, TrustPolicy
from trustlog.merkle.hashing import hash_leaf

_RECENT_CHECKPOINTS: Final = 16  # answers under way at once name few
_KEPT_CHECKPOINTS: Final = 64  # to be proven consistent afterwards


class _EntryAnswer(msgspec.Struct, frozen=True):
    index: int
    leaf_hash_b64u: str
    entry: str
    already_logged: bool
    tree_size: int
    checkpoint: str
    inclusion_proof: list[str]


_DECODER: Final = msgspec.json.Decoder(_EntryAnswer)


@dataclass(frozen=True, slots=True)
class Shape:
    """How the load arrives: `batch` lines a request (or one envelope a request, `one_by_one`) on so many `connections`."""

    connections: int
    batch: int
    one_by_one: bool

    @property
    def receipts_a_request(self) -> int:
        """How many receipts one request carries."""
        return 1 if self.one_by_one else self.batch


@dataclass(slots=True)
class Measured:
    """What came of it. Times in seconds; a latency is from sending a request to having its whole answer."""

    elapsed_s: float = 0.0
    verified: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first_refusal: Refused | None = None
    latencies_s: list[float] = field(default_factory=list)  # in the order in which the answers came
    indexes: dict[int, int] = field(default_factory=dict)  # of the receipts that are to be read again
    checkpoints: list[TrustedCheckpoint] = field(default_factory=list)  # some of those named, the newest last

    def refuse(self, refusal: Refused, count: int) -> None:
        """Count receipts that were not logged, or not provably."""
        self.refused[refusal.code] += count
        self.first_refusal = self.first_refusal or refusal


class Driver:
    """Sends a load to one log and judges what it answers, by a trust policy."""

    def __init__(self, load: Load, trust: TrustPolicy, shape: Shape, *, sample: frozenset[int]) -> None:
        """`sample` names the receipts whose indexes are remembered."""
        self._load = load
        self._trust = trust
        self._shape = shape
        self._sample = sample
        self._trees: OrderedDict[str, tuple[TrustedCheckpoint, SharedProofs]] = OrderedDict()
        self.measured = Measured()

    async def run(self, url: URL, *, credential: str | None, report: Callable[[int, int], None]) -> Measured:
        """Send everything. Raises Refused(LOG_UNREACHABLE) if the log cannot be reached at all."""
        connections = [await Connection.open(url, credential) for _ in range(self._shape.connections)]
        starts = iter(range(0, self._load.count, self._shape.receipts_a_request))
        started = time.perf_counter()
        try:
            await asyncio.gather(*(self._send(connection, starts, report) for connection in connections))
        finally:
            for connection in connections:
                connection.close()
        self.measured.elapsed_s = time.perf_counter() - started
        self.measured.checkpoints.sort(key=lambda trusted: trusted.checkpoint.size)
        return self.measured

    async def _send(self, connection: Connection, starts: Iterator[int], report: Callable[[int, int], None]) -> None:
        media_type = JSON_TYPE if self._shape.one_by_one else NDJSON_TYPE
        for start in starts:
            end = min(start + self._shape.receipts_a_request, self._load.count)
            body = self._load.lines(start, end)
            sent = time.perf_counter()
            try:
                answer = await connection.post(body, media_type)
            except Refused as refusal:  # this connection is over; what it had under way may or may not be logged
                self.measured.refuse(refusal, end - start)
                return
            self.measured.latencies_s.append(time.perf_counter() - sent)
            self.judge(answer, start, end)
            report(self.measured.verified + self.measured.refused.total(), self._load.count)

    def judge(self, answer: Answer, start: int, end: int) -> None:
        """Count what the answer to the receipts [start, end) proves."""
        if answer.status not in {200, 201}:
            self.measured.refuse(parse_problem(answer.body, answer.status, None), end - start)
            return
        lines = [answer.body] if self._shape.one_by_one else answer.body.splitlines()
        if len(lines) != end - start:
            refusal = response_invalid("another number of answers than of lines", expected=end - start, found=len(lines))
            self.measured.refuse(refusal, end - start)
            return
        for number, line in enumerate(lines, start=start):
            try:
                index = self._check(line, self._load.leaf_hash(number))
            except Refused as refusal:
                self.measured.refuse(refusal, 1)
            else:
                self.measured.verified += 1
                if number in self._sample:
                    self.measured.indexes[number] = index

    def _check(self, line: bytes, leaf_hash: bytes) -> int:
        """The index at which the answer proves our entry to be."""
        try:
            answer = _DECODER.decode(line)
        except msgspec.DecodeError as error:
            raise parse_line(line).refusal or response_invalid(f"the answer has another shape: {error}") from None
        if hash_leaf(answer.entry.encode()) != leaf_hash or answer.leaf_hash_b64u != encode_b64u(leaf_hash):
            raise Refused("LOG_LIES", "the log answers with another entry", expected=leaf_hash.hex())
        if answer.already_logged:
            raise response_invalid("the log says that a receipt of this run was there before")
        trusted, proofs = self._tree(answer.checkpoint)
        if trusted.checkpoint.size != answer.tree_size:
            raise response_invalid("the answer contradicts itself", expected=trusted.checkpoint.size, found=answer.tree_size)
        proofs.check(answer.index, leaf_hash, answer.inclusion_proof)
        return answer.index

    def _tree(self, note: str) -> tuple[TrustedCheckpoint, SharedProofs]:
        known = self._trees.get(note)
        if known is not None:
            return known
        trusted = accept_checkpoint(note.encode(), self._trust, now_s=time.time())
        tree = self._trees[note] = (trusted, SharedProofs(trusted.checkpoint.size, trusted.checkpoint.root))
        if len(self._trees) > _RECENT_CHECKPOINTS:
            self._trees.popitem(last=False)
        self._keep(trusted)
        return tree

    def _keep(self, trusted: TrustedCheckpoint) -> None:
        """Keep the newest, and of the others every second, fourth, eighth … as they become many."""
        kept = self.measured.checkpoints
        kept.append(trusted)
        if len(kept) > _KEPT_CHECKPOINTS:
            del kept[1:-1:2]


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed; 0 of none."""
    if not values:
        return 0.0
    rank = math.ceil(len(values) * share)
    return sorted(values)[min(max(rank, 1), len(values)) - 1]
