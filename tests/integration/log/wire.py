"""HTTP as bytes on a connection: for clients that do what no library lets them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

NDJSON = "application/x-ndjson"


@dataclass
class Wire:
    """A connection to a server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[int, Mapping[str, str]]:
        """Status and headers (names in lower case) of the next answer."""
        first, *fields = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        pairs = (field.partition(":") for field in fields)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def body(self, headers: Mapping[str, str]) -> bytes:
        """The body of an answer with these headers."""
        if "chunked" not in headers.get("transfer-encoding", ""):
            return await self.reader.readexactly(int(headers["content-length"]))
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readline()
        return body

    async def answer(self) -> tuple[int, Mapping[str, str], bytes]:
        status, headers = await self.head()
        return status, headers, await self.body(headers)

    async def lines(self) -> list[dict[str, Any]]:
        """The answer to a batch."""
        status, _, body = await self.answer()
        assert status == 200, body
        return [json.loads(line) for line in body.splitlines()]

    async def is_closed(self) -> bool:
        """Wait for the other side to close; whether nothing came before that."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def connected(host: str, port: int, *, small: bool = False) -> AsyncIterator[Wire]:
    """A connection; a `small` one takes in a few kilobytes ahead of what is asked for, and then no more."""
    connection = socket.socket()
    if small:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (host, port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024 if small else 2**16)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def post_head(content_type: str, length: int, path: str = "/v1/entries") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n".encode()


def get_head(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
