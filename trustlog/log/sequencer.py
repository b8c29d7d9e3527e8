"""The sequencer: many submitters, one queue, one batch at a time.

A batch closes as soon as the writer is free, with what has arrived by then, up to a bound. So a lone submitter never waits for
company, and under load the batches are as large as what arrives while the one before is written: no timer decides anything.

The queue is bounded in entries and bytes. A submitter that finds it full is turned away before anything is promised, or, where
it can be slowed down instead (a stream), waits for room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from trustlog.errors import Fatal, Refused, TrustlogError
from trustlog.log.admission import Admitted
from trustlog.log.commit import Logged, Result

MAX_BATCH_ENTRIES: Final = 256  # one full tile; some ten milliseconds of work
MAX_QUEUE_ENTRIES: Final = 8192  # under a second of work: who waits longer is better told so
MAX_QUEUE_BYTES: Final = 64 * 1024 * 1024  # eight of the largest bundles

CommitBatch: TypeAlias = Callable[[Sequence[Admitted]], Awaitable[list[Result]]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    admitted: Admitted
    answer: asyncio.Future[Logged]


class Sequencer:
    """Owns the queue, and the one task that empties it. Everything happens on one event loop."""

    def __init__(self, commit: CommitBatch) -> None:
        """`commit` answers a batch in order, or raises Fatal, after which it is never called again."""
        self._commit = commit
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._changed = asyncio.Condition()  # the queue grew or shrank, or the sequencer is stopping
        self._stopping = False
        self._failure: Fatal | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def queue_length(self) -> int:
        """Entries that wait for their batch."""
        return len(self._queue)

    def start(self) -> asyncio.Task[None]:
        """Begin. The task ends after :meth:`stop`, or raises Fatal: then the process must end."""
        self._task = asyncio.create_task(self._run(), name="sequencer")
        return self._task

    async def enqueue(self, admitted: Admitted, *, wait_for_room: bool) -> asyncio.Future[Logged]:
        """Queue a candidate; its future holds the answer once it is published, or raises TrustlogError.

        A caller that goes away may cancel the future: the entry is logged all the same. Raises Refused(UNAVAILABLE) when the
        queue is full and the caller does not wait, or when no batch will follow.
        """
        async with self._changed:
            if wait_for_room:
                await self._changed.wait_for(lambda: self._closed() or self._has_room(admitted.byte_size))
            if self._closed():
                raise self._unavailable("the log is stopping")
            if not self._has_room(admitted.byte_size):
                raise self._unavailable("the queue of the log is full")
            answer: asyncio.Future[Logged] = asyncio.get_running_loop().create_future()
            self._queue.append(_Waiting(admitted, answer))
            self._queued_bytes += admitted.byte_size
            self._changed.notify_all()
            return answer

    async def stop(self) -> None:
        """Take nothing more, finish what is queued, and end."""
        async with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while batch := await self._next_batch():
            try:
                results = await self._commit([waiting.admitted for waiting in batch])
            except Exception as error:
                failure = error if isinstance(error, Fatal) else Fatal("INTERNAL_ERROR", f"the writer failed: {error!r}")
                await self._fail(batch, failure)
                raise failure from error
            for waiting, result in zip(batch, results, strict=True):
                _resolve(waiting.answer, result)

    async def _next_batch(self) -> list[_Waiting]:
        """What is queued, as soon as anything is; empty when stopping and done."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._queue or self._stopping)
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH_ENTRIES))]
            self._queued_bytes -= sum(waiting.admitted.byte_size for waiting in batch)
            self._changed.notify_all()
            return batch

    async def _fail(self, batch: Sequence[_Waiting], failure: Fatal) -> None:
        """Nobody gets an answer any more. What was in the batch may be in the log: the next start decides."""
        async with self._changed:
            self._failure = failure
            for waiting in (*batch, *self._queue):
                _resolve(waiting.answer, self._unavailable("the log stopped before it could answer; submit again"))
            self._queue.clear()
            self._changed.notify_all()

    def _closed(self) -> bool:
        return self._stopping or self._failure is not None

    def _has_room(self, byte_size: int) -> bool:
        return len(self._queue) < MAX_QUEUE_ENTRIES and self._queued_bytes + byte_size <= MAX_QUEUE_BYTES

    def _unavailable(self, detail: str) -> Refused:
        return Refused("UNAVAILABLE", detail, found=self._failure.code if self._failure else None)


def _resolve(answer: asyncio.Future[Logged], result: Logged | TrustlogError) -> None:
    if answer.done():  # its caller went away
        return
    if isinstance(result, TrustlogError):
        answer.set_exception(result)
    else:
        answer.set_result(result)
