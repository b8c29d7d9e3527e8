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

Decide = Callable[[GateRequest], Awaitable[Decision]]
Repeat = Callable[[GateRequest, Decision], Awaitable[Decision | None]]


def request_digest(request: GateRequest) -> bytes:
    """What makes requests the same: every member, the nonce among them. 32 bytes, from which no token can be read."""
    return hashlib.sha256(msgspec.json.encode(request.members)).digest()


@dataclass(slots=True)
class _Answer:
    asked_ns: int
    deciding: asyncio.Future[Decision]


class Answered:
    """The decisions of one gate's last minute, by request. `clock` gives nanoseconds since 1970.

    What could not be decided is not remembered: to ask again is then the thing to do.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._answers: OrderedDict[bytes, _Answer] = OrderedDict()  # the oldest first

    def __len__(self) -> int:
        return len(self._answers)

    def restore(self, digest: bytes, decision: Decision) -> None:
        """An allow that an earlier process gave."""
        future: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        future.set_result(decision)
        self._answers[digest] = _Answer(self._clock(), future)

    async def answer(self, request: GateRequest, decide: Decide, repeat: Repeat) -> Decision:
        """The answer that this request had, or is about to have, within a decision's life; else that of `decide`.

        `repeat` gives an allow once more, or says why it cannot tell; None where it no longer stands, and is to be decided anew.
        """
        self._forget()
        digest = request_digest(request)
        known = self._answers.get(digest)
        if known is not None and known.deciding.done() and known.deciding.result().allow:
            again = await repeat(request, known.deciding.result())
            if again is not None:
                return again
            if self._answers.get(digest) is known:
                del self._answers[digest]
            known = self._answers.get(digest)
        if known is None:
            deciding = asyncio.ensure_future(decide(request))
            known = self._answers[digest] = _Answer(self._clock(), deciding)
        decision = await asyncio.shield(known.deciding)
        if not decision.decided and self._answers.get(digest) is known:
            del self._answers[digest]
        return decision

    def _forget(self) -> None:
        oldest_ns = self._clock() - DECISION_TTL_S * NS
        while self._answers:
            digest, answer = next(iter(self._answers.items()))
            if len(self._answers) < MOST_REMEMBERED and (answer.asked_ns >= oldest_ns or not answer.deciding.done()):
                return
            del self._answers[digest]
