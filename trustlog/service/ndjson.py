"""Batches: one envelope a line in, one answer a line out, in order, both ways at once.

Lines are read only as fast as they are logged and their answers taken: at most ``MAX_OPEN_CHUNKS * CHUNK_LINES`` are between
being read and being answered, whatever the length of the batch. A line that was answered is final. When the connection breaks,
lines that were read may or may not be logged; sending them again finds out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from aiohttp import web

from trustlog.errors import Refused, TrustlogError
from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES
from trustlog.log.admission import Admitted
from trustlog.log.commit import Logged
from trustlog.log.log import Log
from trustlog.service.bodies import read_lines
from trustlog.service.context import REQUEST_ID, metrics_of
from trustlog.service.problems import problem_of

CHUNK_LINES: Final = 64  # lines that are checked, and answered, together: some ten milliseconds of work
MAX_OPEN_CHUNKS: Final = 32

_Line: TypeAlias = "asyncio.Future[Logged] | TrustlogError"
_Chunks: TypeAlias = "asyncio.Queue[list[_Line] | Exception | None]"
AnswerOf: TypeAlias = Callable[[Logged], dict[str, Any]]


async def answer_lines(request: web.Request, log: Log, answer_of: AnswerOf) -> web.StreamResponse:
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
        await _write(request, response, chunks, answer_of)
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
        chunk = lines[start : start + CHUNK_LINES]
        admitted = iter(await _admit(log, [line for line in chunk if isinstance(line, bytes)]))
        await chunks.put([await _enqueue(log, line if isinstance(line, Refused) else next(admitted)) for line in chunk])


async def _admit(log: Log, bodies: Sequence[bytes]) -> Sequence[Admitted | TrustlogError]:
    try:
        return await log.admit(bodies)
    except TrustlogError as error:  # nothing may be written any more
        return [error] * len(bodies)


async def _enqueue(log: Log, line: Admitted | TrustlogError) -> _Line:
    if isinstance(line, TrustlogError):
        return line
    try:
        return await log.enqueue(line, wait_for_room=True)
    except TrustlogError as error:
        return error


async def _write(request: web.Request, response: web.StreamResponse, chunks: _Chunks, answer_of: AnswerOf) -> None:
    """Write the answers in order, those of one chunk together."""
    while (chunk := await chunks.get()) is not None:
        if isinstance(chunk, Exception):
            raise chunk
        answers = [msgspec.json.encode(await _answer(request, line, answer_of)) + b"\n" for line in chunk]
        await response.write(b"".join(answers))


async def _answer(request: web.Request, line: _Line, answer_of: AnswerOf) -> dict[str, Any]:
    metrics = metrics_of(request)
    try:
        if isinstance(line, TrustlogError):
            raise line
        logged = await line
    except TrustlogError as error:
        metrics.count_refusal(error.code)
        return problem_of(error, request[REQUEST_ID])
    metrics.count_logged(already_logged=logged.already_logged)
    return answer_of(logged)


def _abandon(chunks: _Chunks) -> None:
    """Nobody reads these answers any more."""
    while not chunks.empty():
        chunk = chunks.get_nowait()
        for line in chunk if isinstance(chunk, list) else ():
            if isinstance(line, asyncio.Future):
                line.cancel()
