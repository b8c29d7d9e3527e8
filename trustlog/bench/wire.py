"""One kept-alive HTTP/1.1 connection for submissions: as little work as the protocol allows, and nothing believed.

The bench shares the machine with the log, so what a request costs here is taken from the log. Answers are bounded; anything
that is not a plain answer to a POST ends the connection.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Final, Self

from yarl import URL

from trustlog.client.answers import response_invalid
from trustlog.client.http import CONNECT_TIMEOUT_S
from trustlog.errors import Refused

REQUEST_TIMEOUT_S: Final = 60.0
MAX_HEAD_BYTES: Final = 16 * 1024
MAX_BODY_BYTES: Final = 64 * 1024 * 1024  # a batch of 512 with the longest entries, notes and proofs


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """A connection to one log, for one request at a time."""

    def __init__(self, url: URL, credential: str | None) -> None:
        host = url.host or ""
        shown = f"[{host}]" if ":" in host else host
        authority = shown if url.is_default_port() else f"{shown}:{url.port}"
        self._head = (
            f"POST {url.raw_path.rstrip('/')}/v1/entries HTTP/1.1\r\nHost: {authority}\r\nAccept-Encoding: identity\r\n"
        )
        if credential is not None:
            self._head += f"Authorization: Bearer {credential}\r\n"
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._received = bytearray()
        self._reader: _AnswerReader | None = None

    @classmethod
    async def open(cls, url: URL, credential: str | None) -> Self:
        """Connect. Raises Refused(LOG_UNREACHABLE)."""
        tls = ssl.create_default_context() if url.scheme == "https" else None
        connection = cls(url, credential)
        assert url.host is not None  # parse_log_url saw to it
        assert url.port is not None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.create_connection(lambda: connection, url.host, url.port, ssl=tls)
        except OSError as error:  # a time-out is one
            raise _unreachable(f"the log at {url} was not reached: {error.strerror or 'no connection in time'}") from None
        return connection

    async def post(self, body: bytes, media_type: str) -> Answer:
        """Send one request, and wait for its answer. Raises Refused: LOG_UNREACHABLE, LOG_RESPONSE_INVALID."""
        if self._transport is None or self._transport.is_closing() or self._received:
            raise _unreachable("the log closed the connection")
        self._waiting = asyncio.get_running_loop().create_future()
        self._reader = _AnswerReader()
        head = f"{self._head}Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode("ascii") + body)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                return await self._waiting
        except TimeoutError:
            self.close()
            raise _unreachable(f"no whole answer within {REQUEST_TIMEOUT_S:g} s") from None

    def close(self) -> None:
        """Let go."""
        if self._transport is not None:
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        self._received += data
        if self._waiting is None or self._waiting.done() or self._reader is None:
            self.close()  # nobody asked
            return
        try:
            answer = self._reader.read(self._received)
        except Refused as refusal:
            self._waiting.set_exception(refusal)
            self.close()
        else:
            if answer is not None:
                self._waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(_unreachable("the connection ended within an answer"))


class _AnswerReader:
    """Takes one answer out of what was received, as it comes."""

    def __init__(self) -> None:
        self._status = 0
        self._length: int | None = None  # None: chunked
        self._headed = False
        self._chunks: list[bytes] = []
        self._size = 0

    def read(self, received: bytearray) -> Answer | None:
        """The answer, once it is whole; what was understood is removed from `received`."""
        if not self._headed and not self._read_head(received):
            return None
        if self._length is None:
            return Answer(self._status, b"".join(self._chunks)) if self._read_chunks(received) else None
        if len(received) < self._length:
            return None
        body = bytes(received[: self._length])
        del received[: self._length]
        return Answer(self._status, body)

    def _read_head(self, received: bytearray) -> bool:
        end = received.find(b"\r\n\r\n")
        if end < 0:
            _check_bound(len(received), MAX_HEAD_BYTES)
            return False
        first, *lines = received[:end].decode("latin-1").split("\r\n")
        del received[: end + 4]
        version, _, status = first.partition(" ")
        if version != "HTTP/1.1" or not status[:3].isdecimal() or status[3:4] not in {"", " "}:
            raise response_invalid("not an HTTP answer", found=first)
        self._status = int(status[:3])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "content-encoding" in headers:
            raise response_invalid("the answer is compressed, which was not asked for")
        length = headers.get("content-length")
        if headers.get("transfer-encoding", "").lower() != "chunked":
            if length is None or not length.isdecimal() or len(length) > 12:
                raise response_invalid("an answer of unknown length", found=first)
            self._length = int(length)
            _check_bound(self._length, MAX_BODY_BYTES)
        self._headed = True
        return True

    def _read_chunks(self, received: bytearray) -> bool:
        """Whether the last chunk is there."""
        start = 0
        try:
            while (end := received.find(b"\r\n", start)) >= 0:
                line = received[start:end].decode("latin-1")
                if not 0 < len(line) <= 8 or set(line.lower()) - set("0123456789abcdef"):
                    raise response_invalid("a chunk without a length", found=line[:40])
                size = int(line, 16)
                after = end + 2 + size + 2
                if len(received) < after:
                    return False
                if received[after - 2 : after] != b"\r\n":
                    raise response_invalid("a chunk of another length than it says")
                self._size += size
                _check_bound(self._size, MAX_BODY_BYTES)
                start = after
                if size == 0:
                    return True
                self._chunks.append(bytes(received[end + 2 : after - 2]))
            return False
        finally:
            del received[:start]
            _check_bound(len(received), MAX_BODY_BYTES)


def _check_bound(size: int, most: int) -> None:
    if size > most:
        raise response_invalid("the answer is too large", expected=f"at most {most} bytes")


def _unreachable(detail: str) -> Refused:
    return Refused("LOG_UNREACHABLE", detail, hint="check the address, and that trustlog serve runs there")
