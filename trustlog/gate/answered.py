"""The same request asked again: with the same nonce and audience it gets the same answer, as long as that lives.

An allow is repeated only where it stands when it is asked for again: restrictions count from first sight.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from trustlog.formats.timestamp import NS
from trustlog.gate.decision import Decision
from trustlog.gate.identify import GateRequest
from trustlog.limits import DECISION_TTL_S

MOST_REMEMBERED: Final = 100_000
MOST_REMEMBERED_BYTES: Final = 64 * 1024 * 1024  # a deny has some 2 KB, and up to 256 KB where its evidence is long

Decide = Callable[[GateRequest], Awaitable[Decision]]
Repeat = Callable[[GateRequest, Decision], Awaitable[Decision | None]]


def request_digest(request: GateRequest) -> bytes:
    """What makes requests the same: every member, the nonce among them. 32 bytes, from which no token can be read."""
    return hashlib.sha256(msgspec.json.encode(request.members)).digest()


@dataclass(slots=True)
class _Answer:
    asked_ns: int
    deciding: asyncio.Future[Decision]
    size: int = 0  # once it is decided


def size_of(decision: Decision) -> int:
    """About how many bytes a decision holds: those of its record and of the caller's words, which are most of it."""
    words = (word for word in decision.request.members if word is not None)
    said = (len(finding.expected) + len(finding.found) for finding in decision.findings)
    return 1000 + len(decision.envelope or b"") + sum(map(len, words)) + sum(said)


class Answered:
    """The decisions of one gate's last minute, by request. `clock` gives nanoseconds since 1970.

    What could not be decided is not remembered: to ask again is then the thing to do. At most `most` are, of at most `most_bytes`
    together: where there are more, denies are forgotten first, the oldest before the others. They can be decided again, while
    an allow that is asked for again cannot be had twice.
    """

    def __init__(
        self, clock: Callable[[], int], *, most: int = MOST_REMEMBERED, most_bytes: int = MOST_REMEMBERED_BYTES
    ) -> None:
        self._clock = clock
        self._most, self._most_bytes = most, most_bytes
        self._deciding: dict[bytes, _Answer] = {}
        self._denies: OrderedDict[bytes, _Answer] = OrderedDict()  # the oldest first
        self._allows: OrderedDict[bytes, _Answer] = OrderedDict()  # the oldest first
        self.size = 0  # bytes of all that were decided

    def __len__(self) -> int:
        return len(self._deciding) + len(self._denies) + len(self._allows)

    def restore(self, digest: bytes, decision: Decision) -> None:
        """An allow that an earlier process gave."""
        future: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        future.set_result(decision)
        answer = self._deciding[digest] = _Answer(self._clock(), future)
        self._settle(digest, answer)

    async def answer(self, request: GateRequest, decide: Decide, repeat: Repeat) -> Decision:
        """The answer that this request had, or is about to have, within a decision's life; else that of `decide`.

        `repeat` gives an allow once more, or says why it cannot tell; None where it no longer stands, and is to be decided anew.
        """
        self._forget()
        digest = request_digest(request)
        known = self._find(digest)
        if known is not None and known.deciding.done() and known.deciding.result().allow:
            again = await repeat(request, known.deciding.result())
            if again is not None:
                return again
            self._drop(digest, known)
            known = self._find(digest)
        if known is None:
            known = self._deciding[digest] = answer = _Answer(self._clock(), asyncio.ensure_future(decide(request)))
            known.deciding.add_done_callback(lambda _future: self._settle(digest, answer))
        return await asyncio.shield(known.deciding)

    def _find(self, digest: bytes) -> _Answer | None:
        return self._deciding.get(digest) or self._allows.get(digest) or self._denies.get(digest)

    def _settle(self, digest: bytes, answer: _Answer) -> None:
        """Remember what was decided, whether its caller still waits for it or not."""
        del self._deciding[digest]
        if answer.deciding.cancelled() or answer.deciding.exception() is not None or not answer.deciding.result().decided:
            return
        decision = answer.deciding.result()
        answer.size = size_of(decision)
        self.size += answer.size
        (self._allows if decision.allow else self._denies)[digest] = answer
        self._forget()

    def _drop(self, digest: bytes, answer: _Answer) -> None:
        for answers in (self._denies, self._allows):
            if answers.get(digest) is answer:
                del answers[digest]
                self.size -= answer.size

    def _forget(self) -> None:
        oldest_ns = self._clock() - DECISION_TTL_S * NS
        for answers in (self._denies, self._allows):
            while answers:
                digest, answer = next(iter(answers.items()))
                if answer.asked_ns >= oldest_ns and len(self) <= self._most and self.size <= self._most_bytes:
                    break
                self._drop(digest, answer)
