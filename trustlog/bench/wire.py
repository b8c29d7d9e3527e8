"""One kept-alive HTTP/1.1 connection of the load: plain non-blocking sockets, as little work as the protocol allows.

The bench shares the machine with the log, so what a request costs here is taken from the log. Answers are bounded; anything
that is not a plain answer to what was asked ends the connection.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from typing import Final, Self

from yarl import URL

from trustlog.bench.answer import Answer, AnswerReader
from trustlog.client.answers import response_invalid
from trustlog.client.http import CONNECT_TIMEOUT_S
from trustlog.errors import Refused

_READ_BYTES: Final = 64 * 1024


class RequestHeads:
    """The heads of requests to one log: everything before the body."""

    def __init__(self, url: URL, credential: str | None) -> None:
        host = url.host or ""
        shown = f"[{host}]" if ":" in host else host
        authority = shown if url.is_default_port() else f"{shown}:{url.port}"
        self._prefix = url.raw_path.rstrip("/")
        self._headers = f" HTTP/1.1\r\nHost: {authority}\r\nAccept-Encoding: identity\r\n"
        if credential is not None:
            self._headers += f"Authorization: Bearer {credential}\r\n"

    def get(self, path: str) -> bytes:
        """The head of a GET of `path` (and query) under the log's prefix; it has no body."""
        return f"GET {self._prefix}/{path}{self._headers}\r\n".encode("ascii")

    def post(self, path: str, media_type: str, length: int) -> bytes:
        """The head of a POST of `length` bytes."""
        head = f"POST {self._prefix}/{path}{self._headers}Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
        return head.encode("ascii")


class Connection:
    """A connection to one log, for one request at a time: :meth:`begin` it, and :meth:`advance` whenever the socket is ready."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._unsent: list[memoryview] = []
        self._buffer = bytearray(_READ_BYTES)
        self._reader: AnswerReader | None = None

    @classmethod
    def open(cls, url: URL) -> Self:
        """Connect. Raises Refused(LOG_UNREACHABLE)."""
        assert url.host is not None  # parse_log_url saw to it
        assert url.port is not None
        try:
            sock = socket.create_connection((url.host, url.port), CONNECT_TIMEOUT_S)
            if url.scheme == "https":
                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=url.host)
        except OSError as error:  # a time-out is one
            raise unreachable(f"the log at {url} was not reached: {error.strerror or 'no connection in time'}") from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        return cls(sock)

    def fileno(self) -> int:
        """The socket's descriptor, to wait for."""
        return self._socket.fileno()

    @property
    def sends(self) -> bool:
        """Whether some of the request still waits for room."""
        return bool(self._unsent)

    def begin(self, head: bytes, body: bytes | memoryview = b"") -> None:
        """Begin a request. Raises Refused(LOG_UNREACHABLE)."""
        assert self._reader is None, "one request at a time"
        self._reader = AnswerReader()
        self._unsent = [memoryview(head), memoryview(body)] if len(body) else [memoryview(head)]
        self._send()

    def advance(self) -> Answer | None:
        """Send and receive what is possible now; the answer, once it is whole.

        Raises Refused: LOG_UNREACHABLE, LOG_RESPONSE_INVALID.
        """
        if self._unsent:
            self._send()
        while (count := self._receive()) > 0:
            if self._reader is None:
                raise response_invalid("the log sends what nobody asked for")
            answer = self._reader.feed(memoryview(self._buffer)[:count])
            if answer is not None:
                self._reader = None
                return answer
            if count < len(self._buffer) and not isinstance(self._socket, ssl.SSLSocket):
                break  # the socket is empty: no need to be told so
        return None

    def close(self) -> None:
        """Let go."""
        self._unsent = []
        self._socket.close()

    def _send(self) -> None:
        while self._unsent:
            try:
                sent = self._write(self._unsent)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                raise unreachable(f"the log closed the connection: {error.strerror or type(error).__name__}") from None
            while self._unsent and sent >= len(self._unsent[0]):
                sent -= len(self._unsent.pop(0))
            if sent:
                self._unsent[0] = self._unsent[0][sent:]

    def _write(self, pieces: Sequence[memoryview]) -> int:
        return self._socket.send(pieces[0]) if isinstance(self._socket, ssl.SSLSocket) else self._socket.sendmsg(pieces)

    def _receive(self) -> int:
        """How many bytes came into the buffer; 0 for none yet."""
        try:
            count = self._socket.recv_into(self._buffer)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError as error:
            raise unreachable(f"the connection broke: {error.strerror or type(error).__name__}") from None
        if count == 0:
            raise unreachable("the connection ended within an answer" if self._reader else "the log closed the connection")
        return count


def unreachable(detail: str) -> Refused:
    """``LOG_UNREACHABLE``: whether the request was heeded is unknown."""
    return Refused("LOG_UNREACHABLE", detail, hint="check the address, and that trustlog serve runs there")
