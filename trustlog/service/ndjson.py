"""Batches: one envelope a line in, one answer a line out, in order, both ways at once.

Lines are read only as fast as they are logged and their answers taken: at most ``MAX_OPEN_CHUNKS * CHUNK_LINES`` are between
being read and being answered, whatever the length of the batch. A line that was answered is final. When the connection breaks,
lines that were read may or may not be logged; sending them again finds out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
from aiohttp import web

from trustlog.errors import Refused, TrustlogError
from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES
from trustlog.log.link import Submitted
from trustlog.log.log import Log
from trustlog.log.offer import Offer
from trustlog.service.bodies import read_lines
from trustlog.service.context import ANSWERS, REQUEST_ID, metrics_of
from trustlog.service.problems import problem_of

CHUNK_LINES: Final = 256  # lines that go to the writer, and are answered, together
MAX_OPEN_CHUNKS: Final = 8


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some lines: what admission made of each, and what became of those that were offered."""

    admitted: Sequence[Offer | TrustlogError]
    submitted: asyncio.Future[Submitted]


_Chunks: TypeAlias = "asyncio.Queue[_Chunk | Exception | None]"


async def answer_lines(request: web.Request, log: Log) -> web.StreamResponse:
    """Answer the batch. The status is 200 once the first line was read; before that, a refusal is one problem."""
    lines = read_lines(request, MAX_BUNDLE_ENVELOPE_BYTES)
    first: list[bytes | Refused] = await anext(lines, [])
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/x-ndjson",
            "Cache-Control": "no-store",
            "X-Request-Id": request[REQUEST_ID],
        }
    )
    await response.prepare(request)
    chunks: _Chunks = asyncio.Queue(MAX_OPEN_CHUNKS)
    reading = asyncio.create_task(_read(log, first, lines, chunks), name="read lines")
    try:
        await _write(request, response, chunks)
        await response.write_eof()
    except (ConnectionError, web.RequestPayloadError):
        pass  # the client is gone: what was read is logged all the same, and nobody is told
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        _abandon(chunks)
    return response


async def _read(
    log: Log, first: Sequence[bytes | Refused], rest: AsyncIterator[list[bytes | Refused]], chunks: _Chunks
) -> None:
    """Submit lines as they come; at the end leave None, or what went wrong."""
    try:
        await _submit(log, first, chunks)
        async for lines in rest:
            await _submit(log, lines, chunks)
        await chunks.put(None)
    except Exception as error:  # noqa: BLE001 - raised again where the answers are written
        await chunks.put(error)


async def _submit(log: Log, lines: Sequence[bytes | Refused], chunks: _Chunks) -> None:
    for start in range(0, len(lines), CHUNK_LINES):
        admitted = await log.admit(lines[start : start + CHUNK_LINES])
        await chunks.put(_Chunk(admitted, await _offer(log, [each for each in admitted if isinstance(each, Offer)])))


async def _offer(log: Log, offers: Sequence[Offer]) -> asyncio.Future[Submitted]:
    try:
        return await log.offer(offers)
    except TrustlogError as error:  # nothing may be written any more
        refused: asyncio.Future[Submitted] = asyncio.get_running_loop().create_future()
        refused.set_exception(error)
        refused.exception()  # if the client goes away, nobody asks
        return refused


async def _write(request: web.Request, response: web.StreamResponse, chunks: _Chunks) -> None:
    """Write the answers in order, those of one chunk together."""
    while (chunk := await chunks.get()) is not None:
        if isinstance(chunk, Exception):
            raise chunk
        await response.write(b"\n".join([*await _answers(request, chunk), b""]))


async def _answers(request: web.Request, chunk: _Chunk) -> list[bytes]:
    writer = request.config_dict[ANSWERS]
    try:
        submitted = await chunk.submitted
    except TrustlogError as error:
        return [_problem(request, each if isinstance(each, TrustlogError) else error) for each in chunk.admitted]
    metrics_of(request).count_logged(submitted.outcomes)
    answers: list[bytes] = []
    position = 0
    for each in chunk.admitted:
        if isinstance(each, TrustlogError):
            answers.append(_problem(request, each))
            continue
        answer = writer.write(submitted, position)
        answers.append(answer if isinstance(answer, bytes) else _problem(request, answer))
        position += 1
    return answers


def _problem(request: web.Request, error: TrustlogError) -> bytes:
    metrics_of(request).count_refusal(error.code)
    return msgspec.json.encode(problem_of(error, request[REQUEST_ID]))


def _abandon(chunks: _Chunks) -> None:
    """Nobody reads these answers any more."""
    while not chunks.empty():
        chunk = chunks.get_nowait()
        if isinstance(chunk, _Chunk):
            chunk.submitted.cancel()
