"""HTTP/1.1 answers as the load takes them: bounded, in any pieces, and nothing believed."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from trustlog.client.answers import response_invalid

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_BODY_BYTES: Final = 64 * 1024 * 1024  # a batch of 512 with the longest entries, notes and proofs
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
