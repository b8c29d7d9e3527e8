"""Those for whom there is no room: told so at once, and given a moment to read it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final

from trustlog.errors import Refused
from trustlog.service.problems import CONTENT_TYPE, RETRY_AFTER_S, encode_problem

MAX_WAITING: Final = 16  # more are closed at once, and may see a reset instead of the answer
WAIT_S: Final = 1.0
_READ_BYTES: Final = 64 * 1024


def _write_answer() -> bytes:
    body = encode_problem(Refused("UNAVAILABLE", "as many connections are open as this server takes"), "0" * 16)
    head = (
        "HTTP/1.1 503 Service Unavailable",
        f"Content-Type: {CONTENT_TYPE}",
        f"Content-Length: {len(body)}",
        f"Retry-After: {RETRY_AFTER_S}",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return "\r\n".join([*head, "", ""]).encode() + body


class Doorstep:
    """Where connections end that are not served. Lives on one event loop."""

    def __init__(self) -> None:
        self._answer = _write_answer()
        self._waiting: dict[socket.socket, asyncio.TimerHandle] = {}

    def turn_away(self, connected: socket.socket) -> None:
        """Answer without reading the request; it owns the socket from now on."""
        connected.setblocking(False)
        try:
            connected.send(self._answer)
            connected.shutdown(socket.SHUT_WR)
        except OSError:
            connected.close()
            return
        if len(self._waiting) >= MAX_WAITING:
            connected.close()
            return
        # Closing with something unread resets the connection, and the client might never see the answer.
        loop = asyncio.get_running_loop()
        self._waiting[connected] = loop.call_later(WAIT_S, self._let_go, connected)
        loop.add_reader(connected, self._read, connected)

    def close(self) -> None:
        """Let go of all."""
        for connected in list(self._waiting):
            self._let_go(connected)

    def _read(self, connected: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                data = connected.recv(_READ_BYTES)
            except ConnectionError:
                data = b""
            if not data:
                self._let_go(connected)

    def _let_go(self, connected: socket.socket) -> None:
        self._waiting.pop(connected).cancel()
        asyncio.get_running_loop().remove_reader(connected)
        connected.close()
