"""A connection of the bench takes plain answers however they arrive, and ends with a reason at anything else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from trustlog.bench import wire
from trustlog.bench.load import percentile
from trustlog.bench.wire import Answer, Connection
from trustlog.errors import Refused

PLAIN = b"HTTP/1.1 201 Created\r\nContent-Type: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"


@asynccontextmanager
async def answering(answer: bytes, *, piece: int = 1 << 20, close: bool = False) -> AsyncIterator[Connection]:
    """A connection to a server that answers every request with these bytes, in pieces of so many."""

    ended: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        ended.append(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while b"Content-Length: 4\r\n" in await reader.readuntil(b"\r\n\r\n"):
                assert await reader.readexactly(4) == b"body"
                for start in range(0, len(answer), piece):
                    writer.write(answer[start : start + piece])
                    await writer.drain()
                    await asyncio.sleep(0)
                if close:
                    break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = await Connection.open(URL(f"http://127.0.0.1:{port}/prefix"), None)
    try:
        yield connection
    finally:
        connection.close()
        await asyncio.sleep(0)
        await asyncio.wait(ended)
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(("answer", "status"), [(PLAIN, 201), (CHUNKED, 200)], ids=["length", "chunked"])
@pytest.mark.parametrize("piece", [1, 7, 1000])
async def test_answers_in_any_pieces_one_after_the_other(answer: bytes, status: int, piece: int) -> None:
    async with answering(answer, piece=piece) as connection:
        for _ in range(3):
            assert await connection.post(b"body", "text/plain") == Answer(status, b"hello")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: gzip\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"x" * (wire.MAX_HEAD_BYTES + 1),
    ],
    ids=[
        "no HTTP",
        "old",
        "no length",
        "negative",
        "huge",
        "gzip",
        "bad chunk",
        "negative chunk",
        "long chunk",
        "long head",
    ],
)
async def test_anything_else_ends_the_connection_with_a_reason(answer: bytes) -> None:
    async with answering(answer) as connection:
        with pytest.raises(Refused) as raised:
            await connection.post(b"body", "text/plain")
        assert raised.value.code == "LOG_RESPONSE_INVALID"
        with pytest.raises(Refused):
            await connection.post(b"body", "text/plain")


async def test_an_answer_that_breaks_off_and_a_log_that_is_not_there() -> None:
    async with answering(PLAIN[:-1], close=True) as connection:
        with pytest.raises(Refused) as raised:
            await connection.post(b"body", "text/plain")
        assert raised.value.code == "LOG_UNREACHABLE"
    with pytest.raises(Refused) as raised:
        await Connection.open(URL("http://127.0.0.1:1"), None)
    assert raised.value.code == "LOG_UNREACHABLE"


async def test_a_log_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REQUEST_TIMEOUT_S", 0.05)
    async with answering(PLAIN[:20]) as connection:
        with pytest.raises(Refused) as raised:
            await connection.post(b"body", "text/plain")
        assert raised.value.code == "LOG_UNREACHABLE"


def test_percentiles() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)] == [1, 50, 95, 99, 100]
    assert percentile([3.0], 0.99) == 3
    assert percentile([], 0.5) == 0
