"""Batches: one envelope a line in, one answer a line out, in order, both ways at once.

Lines are read only as fast as they are logged and their answers taken: at most ``MAX_OPEN_CHUNKS * CHUNK_LINES`` are between
being read and being answered, whatever the length of the batch. A line that was answered is final. When the connection breaks,
lines that were read may or may not be logged; sending them again finds out.

A batch that cannot go on ends in one problem that belongs to no line, after the answers to all lines that were taken. That is so
when the body is too slow, when the log stops, and for a client that sends on and takes no answers: each would wait for the
other for ever. So the rest of its body is dropped, unread, until it turns to what it was answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiohttp import web

from trustlog.errors import Refused, TrustlogError
from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES
from trustlog.log.link import Submitted
from trustlog.log.log import Log
from trustlog.log.offer import Offer
from trustlog.service.bodies import read_lines
from trustlog.service.connections import bytes_taken
from trustlog.service.context import ANSWERS, REQUEST_ID, UPLOADS, metrics_of
from trustlog.service.problems import encode_problem
from trustlog.service.uploads import too_slow

CHUNK_LINES: Final = 256  # lines that go to the writer, and are answered, together
MAX_OPEN_CHUNKS: Final = 8

_Lines: TypeAlias = "list[bytes | Refused]"


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some lines: what admission made of each, and what became of those that were offered."""

    admitted: Sequence[Offer | TrustlogError]
    submitted: asyncio.Future[Submitted]


async def answer_lines(request: web.Request, log: Log) -> web.StreamResponse:
    """Answer the batch. The status is 200 once the first line was read; before that, a refusal is one problem."""
    with request.app[UPLOADS].batch():
        lines = read_lines(request, MAX_BUNDLE_ENVELOPE_BYTES)
        async with aclosing(lines):
            first: _Lines = await anext(lines, [])
            batch = _Batch(request, log)
            await batch.response.prepare(request)
            await batch.run(first, lines)
    return batch.response


class _Batch:
    """A batch under way: one task reads, another writes, and a bounded queue is between them."""

    def __init__(self, request: web.Request, log: Log) -> None:
        self._request = request
        self._log = log
        self._chunks: asyncio.Queue[_Chunk | Exception | None] = asyncio.Queue(MAX_OPEN_CHUNKS)
        self._dropping: asyncio.Task[None] | None = None  # what the client sends, because it takes no answers
        self._has_more = False  # the client sent more than there is room for, and the reader waits
        self._lines = 0
        self.response = web.StreamResponse(
            headers={
                "Content-Type": "application/x-ndjson",
                "Cache-Control": "no-store",
                "X-Request-Id": request[REQUEST_ID],
            }
        )

    async def run(self, first: _Lines, rest: AsyncGenerator[_Lines, None]) -> None:
        """To its end, whatever that is."""
        reading = asyncio.create_task(self._read(first, rest), name="read lines")
        try:
            await self._write()
            await self.response.write_eof()
        except (ConnectionError, web.RequestPayloadError):
            pass  # the client is gone: what was read is logged all the same, and nobody is told
        finally:
            tasks = [reading] if self._dropping is None else [reading, self._dropping]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._abandon()
            metrics_of(self._request).count_batch(self._lines)

    # In.

    async def _read(self, first: _Lines, rest: AsyncGenerator[_Lines, None]) -> None:
        """Submit lines as they come; at the end leave None, or what went wrong."""
        try:
            await self._submit(first)
            async for lines in rest:
                await self._submit(lines)
            await self._chunks.put(None)
        except Exception as error:  # noqa: BLE001 - told, or raised again, where the answers are written
            await self._chunks.put(error)

    async def _submit(self, lines: _Lines) -> None:
        for start in range(0, len(lines), CHUNK_LINES):
            admitted = await self._log.admit(lines[start : start + CHUNK_LINES])
            submitted = await self._offer([each for each in admitted if isinstance(each, Offer)])
            self._has_more = True
            await self._chunks.put(_Chunk(admitted, submitted))
            self._has_more = False
            if self._dropping is not None:
                raise too_slow("the batch was sent on while none of its answers were taken", expected="a client that reads")

    async def _offer(self, offers: Sequence[Offer]) -> asyncio.Future[Submitted]:
        try:
            return await self._log.offer(offers)
        except TrustlogError as error:  # nothing may be written any more
            refused: asyncio.Future[Submitted] = asyncio.get_running_loop().create_future()
            refused.set_exception(error)
            refused.exception()  # if the client goes away, nobody asks
            return refused

    async def _drop(self) -> None:
        """Read what comes, and forget it. Our own reader waits for room meanwhile, and reads no more."""
        try:
            async for _ in self._request.content.iter_any():
                pass
        except (ConnectionError, web.RequestPayloadError):
            pass

    # Out.

    async def _write(self) -> None:
        """Write the answers in order, those of one chunk together."""
        while (chunk := await self._chunks.get()) is not None:
            if isinstance(chunk, _Chunk):
                await self._send(b"\n".join([*await self._answers(chunk), b""]))
                self._lines += len(chunk.admitted)
            elif isinstance(chunk, TrustlogError):
                self.response.force_close()
                await self._send(self._problem(chunk) + b"\n")
                return
            else:
                raise chunk

    async def _send(self, data: bytes) -> None:
        """Write, and notice a client that sends on and takes nothing."""
        writer, transport = self._request.writer, self._request.transport
        if transport is None:
            raise ConnectionResetError
        writing = asyncio.create_task(self.response.write(data))
        try:
            taken = -1
            while not (await asyncio.wait([writing], timeout=self._stall_s()))[0]:
                before, taken = taken, bytes_taken(writer, transport)
                if taken == before and self._has_more and self._dropping is None:
                    self._dropping = asyncio.create_task(self._drop(), name="drop lines")
            await writing
        finally:
            writing.cancel()

    def _stall_s(self) -> float:
        return self._request.app[UPLOADS].bounds.stall_s

    async def _answers(self, chunk: _Chunk) -> list[bytes]:
        writer = self._request.app[ANSWERS]
        try:
            submitted = await chunk.submitted
        except TrustlogError as error:
            return [self._problem(each if isinstance(each, TrustlogError) else error) for each in chunk.admitted]
        metrics_of(self._request).count_logged(submitted)
        answers: list[bytes] = []
        position = 0
        for each in chunk.admitted:
            if isinstance(each, TrustlogError):
                answers.append(self._problem(each))
                continue
            answer = writer.write(submitted, position)
            answers.append(answer if isinstance(answer, bytes) else self._problem(answer))
            position += 1
        return answers

    def _problem(self, error: TrustlogError) -> bytes:
        metrics_of(self._request).count_refusal(error.code)
        return encode_problem(error, self._request[REQUEST_ID])

    def _abandon(self) -> None:
        """Nobody reads these answers any more."""
        while not self._chunks.empty():
            chunk = self._chunks.get_nowait()
            if isinstance(chunk, _Chunk):
                chunk.submitted.cancel()
