"""One kept-alive HTTP/1.1 connection of the load: plain non-blocking sockets, as little work as the protocol allows.

The bench shares the machine with the log, so what a request costs here is taken from the log. Answers are bounded; anything
that is not a plain answer to what was asked ends the connection.
"""

from __future__ import annotations

import enum
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from yarl import URL

from trustlog.client.answers import response_invalid
from trustlog.client.http import CONNECT_TIMEOUT_S
from trustlog.errors import Refused

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_BODY_BYTES: Final = 64 * 1024 * 1024  # a batch of 512 with the longest entries, notes and proofs
_READ_BYTES: Final = 64 * 1024
_LAST: Final = -1  # after the last chunk


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Its body is in pieces as they came: pieces small enough for the heap, never one of megabytes."""

    status: int
    pieces: tuple[bytes, ...]

    @property
    def body(self) -> bytes:
        """The body in one piece."""
        return b"".join(self.pieces)

    def lines(self) -> list[bytes]:
        """The body's lines, without their LF; what follows the last LF only if there is something."""
        lines: list[bytes] = []
        rest = b""
        for piece in self.pieces:
            first, *others = piece.split(b"\n")
            rest += first
            if others:
                lines.append(rest)
                rest = others.pop()
                lines += others
        if rest:
            lines.append(rest)
        return lines


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


class _Part(enum.Enum):
    """What an answer goes on with."""

    HEAD = enum.auto()
    BODY = enum.auto()  # the whole of it, or that of a chunk
    CHUNK_SIZE = enum.auto()
    CHUNK_END = enum.auto()
    NOTHING = enum.auto()


class AnswerReader:
    """Takes one HTTP/1.1 answer out of what is received, as it comes. Bounded, and nothing believed."""

    def __init__(self) -> None:
        self._part = _Part.HEAD
        self._status = 0
        self._chunked = False
        self._text = b""  # of a head or line that has not ended yet
        self._left = 0  # bytes of the body part still to come
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: memoryview) -> Answer | None:
        """Take what was received next; the answer, once it is whole. Raises Refused(LOG_RESPONSE_INVALID)."""
        while data and self._part is not _Part.NOTHING:
            data = self._read_body(data) if self._part is _Part.BODY else self._read_text(data)
        if self._part is not _Part.NOTHING:
            return None
        if data:
            raise response_invalid("the answer is longer than it says")
        return Answer(self._status, tuple(self._pieces))

    def _read_body(self, data: memoryview) -> memoryview:
        """Take what there is of the body part; what follows it."""
        piece = bytes(data[: self._left])
        self._pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._part = _Part.CHUNK_END if self._chunked else _Part.NOTHING
        return data[len(piece) :]

    def _read_text(self, data: memoryview) -> memoryview:
        """Take a head, or a line of the chunks, once it has ended; what follows it."""
        end = b"\r\n\r\n" if self._part is _Part.HEAD else b"\r\n"
        before = len(self._text)
        text = self._text + bytes(data[: MAX_HEAD_BYTES + 1])
        at = text.find(end)
        if at < 0:
            _check_bound(len(text), MAX_HEAD_BYTES)
            self._text = text
            return data[len(data) :]
        self._text = b""
        line = text[:at].decode("latin-1")
        if self._part is _Part.HEAD:
            self._read_head(line)
        elif self._part is _Part.CHUNK_SIZE:
            self._read_chunk_size(line)
        elif line:
            raise response_invalid("a chunk of another length than it says")
        else:
            self._part = _Part.CHUNK_SIZE if self._left >= 0 else _Part.NOTHING
        return data[at + len(end) - before :]

    def _read_head(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        version, _, status = first.partition(" ")
        if version != "HTTP/1.1" or not status[:3].isdecimal() or status[3:4] not in {"", " "}:
            raise response_invalid("not an HTTP answer", found=first)
        self._status = int(status[:3])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "content-encoding" in headers:
            raise response_invalid("the answer is compressed, which was not asked for")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            self._chunked, self._part = True, _Part.CHUNK_SIZE
            return
        length = headers.get("content-length")
        if length is None or not length.isdecimal() or len(length) > 12:
            raise response_invalid("an answer of unknown length", found=first)
        self._expect(int(length))

    def _read_chunk_size(self, line: str) -> None:
        if not 0 < len(line) <= 8 or set(line.lower()) - set("0123456789abcdef"):
            raise response_invalid("a chunk without a length", found=line[:40])
        size = int(line, 16)
        if size:
            self._expect(size)
        else:
            self._left, self._part = _LAST, _Part.CHUNK_END

    def _expect(self, size: int) -> None:
        self._size += size
        _check_bound(self._size, MAX_BODY_BYTES)
        self._left, self._part = size, _Part.BODY if size else _Part.NOTHING


def _check_bound(size: int, most: int) -> None:
    if size > most:
        raise response_invalid("the answer is too large", expected=f"at most {most} bytes")


def unreachable(detail: str) -> Refused:
    """``LOG_UNREACHABLE``: whether the request was heeded is unknown."""
    return Refused("LOG_UNREACHABLE", detail, hint="check the address, and that trustlog serve runs there")
