"""A connection of the bench takes plain answers however they arrive, and ends with a reason at anything else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from yarl import URL

from trustlog.bench import exchange as exchanging
from trustlog.bench.answer import MAX_HEAD_BYTES, Answer, AnswerReader
from trustlog.bench.exchange import Request, exchange
from trustlog.bench.wire import Connection, RequestHeads
from trustlog.errors import Refused

PLAIN = b"HTTP/1.1 201 Created\r\nContent-Type: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

NONSENSE = {
    "no HTTP": b"SSH-2.0-x\r\n\r\n",
    "old": b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no length": b"HTTP/1.1 200 OK\r\n\r\n",
    "negative": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "huge": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: gzip\r\n\r\nx",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    "negative chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "long chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    "long head": b"x" * (MAX_HEAD_BYTES + 1),
    "too long": PLAIN + b"!",
}


def feed(answer: bytes, piece: int) -> Answer | None:
    reader, whole = AnswerReader(), None
    for start in range(0, len(answer), piece):
        whole = reader.feed(memoryview(answer)[start : start + piece])
    return whole


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [(PLAIN, 201, b"hello"), (CHUNKED, 200, b"hello"), (EMPTY, 200, b"")],
    ids=["length", "chunked", "empty"],
)
def test_an_answer_is_whole_at_its_last_byte_in_any_pieces(answer: bytes, status: int, body: bytes, piece: int) -> None:
    assert feed(answer[:-1], piece) is None
    whole = feed(answer, piece)
    assert whole is not None
    assert (whole.status, whole.body) == (status, body)


@pytest.mark.parametrize("piece", [1, 5, 1 << 20])
@pytest.mark.parametrize("name", NONSENSE)
def test_anything_else_is_refused(name: str, piece: int) -> None:
    with pytest.raises(Refused) as raised:
        feed(NONSENSE[name], piece)
    assert raised.value.code == "LOG_RESPONSE_INVALID"


@pytest.mark.parametrize(
    ("body", "lines"), [(b"a\nb\n", [b"a", b"b"]), (b"a\n\nb", [b"a", b"", b"b"]), (b"", []), (b"\n", [b""])]
)
@pytest.mark.parametrize("piece", [1, 2, 100])
def test_lines_are_those_of_the_body_wherever_it_was_cut(body: bytes, lines: list[bytes], piece: int) -> None:
    answer = Answer(200, tuple(body[start : start + piece] for start in range(0, len(body), piece)))
    assert answer.lines() == lines


class Asking:
    """A source of `count` equal requests."""

    def __init__(self, url: URL, count: int, body: bytes = b"body") -> None:
        self._left = count
        self._request = Request(RequestHeads(url, "secret").post("v1/entries", "text/plain", len(body)), body, None)
        self.answers: list[Answer] = []
        self.failures: list[Refused] = []

    def take(self, now_s: float) -> Request | float | None:
        del now_s
        self._left -= 1
        return self._request if self._left >= 0 else None

    def answered(self, request: Request, answer: Answer, sent_s: float, now_s: float) -> None:
        assert request is self._request
        assert sent_s <= now_s
        self.answers.append(answer)

    def failed(self, request: Request, refusal: Refused) -> None:
        del request
        self.failures.append(refusal)


@contextmanager
def answering(answer: bytes, *, body_bytes: int = 4, close: bool = False) -> Iterator[URL]:
    """A server that answers every request with these bytes."""
    heads: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            while head := stream.readline():
                while (line := stream.readline()) not in {b"\r\n", b""}:
                    head += line
                heads.append(head)
                if len(stream.read(body_bytes)) < body_bytes:
                    return
                stream.write(answer)
                stream.flush()
                if close:
                    return

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            talks.append(threading.Thread(target=talk, args=(connection,)))
            talks[-1].start()

    talks: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=serve)
        accepting.start()
        try:
            yield URL(f"http://127.0.0.1:{listener.getsockname()[1]}/prefix/")
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for each in talks:
                each.join()
    assert all(head.startswith(b"POST /prefix/v1/entries HTTP/1.1\r\n") for head in heads)
    assert all(b"Authorization: Bearer secret\r\n" in head for head in heads)


def ask(url: URL, count: int, *, connections: int = 1, body: bytes = b"body") -> Asking:
    asking = Asking(url, count, body)
    exchange([Connection.open(url) for _ in range(connections)], asking)
    return asking


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED], ids=["length", "chunked"])
def test_every_request_is_answered_once_on_any_number_of_connections(answer: bytes) -> None:
    with answering(answer) as url:
        asked = ask(url, 10, connections=3)
    assert [each.body for each in asked.answers] == [b"hello"] * 10
    assert asked.failures == []


def test_a_body_larger_than_any_socket_buffer_is_sent_whole() -> None:
    body = b"x" * (16 << 20)
    with answering(PLAIN, body_bytes=len(body)) as url:
        assert len(ask(url, 2, body=body).answers) == 2


@pytest.mark.parametrize("name", NONSENSE)
def test_after_nonsense_a_connection_takes_no_more_requests(name: str) -> None:
    with answering(NONSENSE[name]) as url:
        asked = ask(url, 5)
    assert asked.answers == []
    assert [refusal.code for refusal in asked.failures] == ["LOG_RESPONSE_INVALID"]


def test_an_answer_that_breaks_off_and_a_log_that_is_not_there() -> None:
    with answering(PLAIN[:-1], close=True) as url:
        asked = ask(url, 2)
    assert [refusal.code for refusal in asked.failures] == ["LOG_UNREACHABLE"]
    with pytest.raises(Refused) as raised:
        Connection.open(URL("http://127.0.0.1:1"))
    assert raised.value.code == "LOG_UNREACHABLE"


def test_a_log_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanging, "REQUEST_TIMEOUT_S", 0.05)
    monkeypatch.setattr(exchanging, "_TICK_S", 0.05)
    with answering(PLAIN[:20]) as url:
        asked = ask(url, 1)
    assert [refusal.code for refusal in asked.failures] == ["LOG_UNREACHABLE"]
