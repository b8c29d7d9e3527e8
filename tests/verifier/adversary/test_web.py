"""What a server can do to an auditor besides lying: hold him, flood him, send him elsewhere."""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from http.server import BaseHTTPRequestHandler

import pytest

from tests.verifier.adversary.auditor import Auditor
from tests.verifier.changebuilder import Change
from tests.verifier.test_http import send
from tests.waiting import wait_until
from verifier import limits
from verifier.errors import Unavailable
from verifier.web import HttpSource

Answer = Callable[[BaseHTTPRequestHandler], None]


def endless(piece: bytes, head: bytes = b"HTTP/1.0 200 OK\r\n\r\n", pause_s: float = 0) -> Answer:
    """Sends `head`, then `piece` for as long as anybody listens."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        with contextlib.suppress(OSError):  # the verifier has left
            handler.wfile.write(head)
            while True:
                handler.wfile.write(piece)
                time.sleep(pause_s)
        handler.close_connection = True

    return answer


def raw(*pieces: bytes, pause_s: float = 0, is_reset: bool = False) -> Answer:
    """Sends just these bytes, waits, and hangs up, at best politely."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        with contextlib.suppress(OSError):  # the verifier has left
            handler.wfile.write(b"".join(pieces))
            time.sleep(pause_s)
        handler.close_connection = True
        if is_reset:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()

    return answer


def redirect(status: int) -> Answer:
    return send(status, b"", Location="/tile/0/000")


# A body whose end only the end of the connection shows may be refused for that alone, or when time or room run out.
NO_END = ("LOG_RESPONSE_INVALID", "LOG_UNREACHABLE", "BODY_TOO_LARGE")
FLOOD = ("BODY_TOO_LARGE", "LOG_UNREACHABLE")  # an entry bundle may be so large that time runs out first
NOTHING = gzip.compress(bytes(10 << 20))
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        (redirect(301), ("LOG_RESPONSE_INVALID",)),
        (redirect(302), ("LOG_RESPONSE_INVALID",)),
        (redirect(303), ("LOG_RESPONSE_INVALID",)),
        (redirect(307), ("LOG_RESPONSE_INVALID",)),
        (redirect(308), ("LOG_RESPONSE_INVALID",)),
        (send(200, NOTHING, Content_Encoding="gzip"), ("LOG_RESPONSE_INVALID",)),
        (send(200, b"x", Content_Encoding="deflate"), ("LOG_RESPONSE_INVALID",)),
        (send(401, b"who are you"), ("LOG_RESPONSE_INVALID",)),
        (send(429, b"later", Retry_After="100000"), ("LOG_UNREACHABLE",)),
        (send(503, b"later"), ("LOG_UNREACHABLE",)),
        (send(408, b""), ("LOG_UNREACHABLE",)),
        (send(500, b""), ("LOG_UNREACHABLE",)),
        (send(502, b""), ("LOG_UNREACHABLE",)),
        (send(504, b""), ("LOG_UNREACHABLE",)),
        (send(400, b""), ("LOG_RESPONSE_INVALID",)),
        (send(403, b""), ("LOG_RESPONSE_INVALID",)),
        (send(206, b"half", Content_Range="bytes 0-3/8"), ("LOG_RESPONSE_INVALID",)),
        (send(302, b"", Location="file:///etc/hostname"), ("LOG_RESPONSE_INVALID",)),
        (raw(b"HTTP/1.1 204 None\r\n\r\n"), ("LOG_RESPONSE_INVALID",)),
        (raw(b"HTTP/1.1 304 Same\r\n\r\n"), ("LOG_RESPONSE_INVALID",)),
        (raw(b"HTTP/1.1 101 Other\r\nUpgrade: x\r\n\r\n"), ("LOG_RESPONSE_INVALID",)),
        (raw(b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"), ("LOG_RESPONSE_INVALID",)),
        (raw(LONG, b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n\r\n"), ("LOG_RESPONSE_INVALID",)),
        (raw(LONG, b"Content-Length: 5\r\n\r\nhello"), ("LOG_RESPONSE_INVALID",)),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), ("LOG_RESPONSE_INVALID",)),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n0123456789"), ("LOG_RESPONSE_INVALID",)),
        (raw(LONG, b"\r\nshort"), ("LOG_UNREACHABLE",)),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", pause_s=3), ("BODY_TOO_LARGE",)),
        (raw(CHUNKED, b"-5\r\nhello"), ("LOG_UNREACHABLE",)),
        (raw(CHUNKED, b"5\r\nhello\r\n"), ("LOG_UNREACHABLE",)),
        (raw(CHUNKED, b"f" * 40 + b"\r\nhello"), ("LOG_UNREACHABLE",)),
        (raw(b"", is_reset=True), ("LOG_UNREACHABLE",)),
        (raw(LONG, b"\r\nhal", is_reset=True), ("LOG_UNREACHABLE",)),
        (endless(b"X-Late: y\r\n", CHUNKED + b"5\r\nhello\r\n0\r\n"), ("LOG_UNREACHABLE",)),
        (endless(b"x" * 65_536), NO_END),
        (endless(b"10000\r\n" + b"x" * 65_536 + b"\r\n", CHUNKED), FLOOD),
        (endless(b"x", pause_s=0.05), NO_END),
        (endless(b"1\r\nx\r\n", CHUNKED, pause_s=0.05), ("LOG_UNREACHABLE",)),
        (endless(b"0", CHUNKED, pause_s=0.05), ("LOG_UNREACHABLE",)),
        (endless(b"X-Long: y\r\n", b"HTTP/1.0 200 OK\r\n"), ("LOG_UNREACHABLE",)),
        (endless(b"x", b"HTTP/1.0 200 OK\r\nX-Slow: ", pause_s=0.05), ("LOG_UNREACHABLE",)),
        (endless(b" ", b"", pause_s=0.05), ("LOG_UNREACHABLE",)),
        (endless(b"HTTP/1.1 100 Continue\r\n\r\n", b"", pause_s=0.01), ("LOG_UNREACHABLE",)),
        (endless(b"", b"", pause_s=0.05), ("LOG_UNREACHABLE",)),
        (endless(b"\xff" * 100, b"HTTP/1.1 200\xff\r\n\xff"), ("LOG_UNREACHABLE",)),
    ],
    ids=[
        "redirect-301",
        "redirect-302",
        "redirect-303",
        "redirect-307",
        "redirect-308",
        "gzip-bomb",
        "deflate",
        "unauthorised",
        "too-many-requests",
        "unavailable",
        "request-timeout",
        "server-error",
        "bad-gateway",
        "gateway-timeout",
        "bad-request",
        "forbidden",
        "half-a-body",
        "redirect-to-a-file",
        "no-content",
        "not-modified",
        "switching-protocols",
        "unknown-status",
        "two-encodings",
        "two-lengths",
        "negative-length",
        "lax-length",
        "cut-body",
        "length-beyond-bound",
        "negative-chunk",
        "cut-chunks",
        "huge-chunk",
        "reset",
        "reset-in-body",
        "endless-trailers",
        "endless-body",
        "endless-chunks",
        "slow-body",
        "slow-chunks",
        "slow-chunk-size",
        "endless-headers",
        "slow-header",
        "slow-status-line",
        "endless-continue",
        "silence",
        "no-http",
    ],
)
@pytest.mark.parametrize("path", ["checkpoint", "tile/entries/000.p/17"])
def test_a_server_that_answers_with(
    web_auditor: Auditor, monkeypatch: pytest.MonkeyPatch, *, path: str, answer: Answer, codes: tuple[str, ...]
) -> None:
    """Undecided, and soon, though some answers never end: nothing follows about the log from what could not be got."""
    if "LOG_UNREACHABLE" in codes:  # time may run out; everything else gets all the time that the machine takes
        monkeypatch.setattr(limits, "HTTP_TIMEOUT_S", 0.5)
        monkeypatch.setattr(limits, "ANSWER_S", 1)
    change = Change().build()
    web_auditor.serve(change.log)
    assert web_auditor.server is not None
    web_auditor.server.overrides[path] = answer
    exit_code, code = web_auditor.log()
    assert exit_code == 3
    assert code in codes


class Busy:
    """Says a few times that it is busy, then answers."""

    def __init__(self, status: int, times: int, pause: str, then: Answer) -> None:
        self.asked = 0
        self._status, self._times, self._pause, self._then = status, times, pause, then

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked += 1
        busy = send(self._status, b"later", Retry_After=self._pause)
        (busy if self.asked <= self._times else self._then)(handler)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("times", "pause", "asked", "code"),
    [
        (2, "0", 3, (0, "OK")),
        (1, "1", 2, (0, "OK")),
        (99, "0", 1 + limits.RETRIES, (3, "LOG_UNREACHABLE")),
        (1, "11", 1, (3, "LOG_UNREACHABLE")),
        (1, "-1", 1, (3, "LOG_UNREACHABLE")),
        (1, "9" * 5000, 1, (3, "LOG_UNREACHABLE")),
        (1, "Mon, 02 Mar 2026 10:00:00 GMT", 1, (3, "LOG_UNREACHABLE")),
    ],
)
def test_a_log_that_is_busy(
    web_auditor: Auditor, *, status: int, times: int, pause: str, asked: int, code: tuple[int, str]
) -> None:
    """A short pause is kept, a few times; a log cannot hold the auditor by asking for ever."""
    change = Change().build()
    web_auditor.serve(change.log)
    assert web_auditor.server is not None
    busy = Busy(status, times, pause, send(200, change.log.note().encode()))
    web_auditor.server.overrides["checkpoint"] = busy
    assert web_auditor.log() == code
    assert busy.asked == asked


def test_what_is_under_way_or_waits_holds_nobody_who_leaves(web_auditor: Auditor) -> None:
    """An interrupt, say: four answers drip for ever, and what waits for them would drip too."""
    web_auditor.serve(Change().build().log)
    assert web_auditor.server is not None
    under_way: list[BaseHTTPRequestHandler] = []

    def drip(handler: BaseHTTPRequestHandler) -> None:
        under_way.append(handler)
        endless(b"x", LONG + b"X-Slow: ", pause_s=0.05)(handler)

    paths = [f"tile/entries/{number:03d}" for number in range(12)]
    web_auditor.server.overrides.update(dict.fromkeys(paths, drip))
    log = HttpSource(web_auditor.location)
    first, second = log.read_many(paths[:6], 1000), log.read_many(paths[6:], 1000)
    threads = [threading.Thread(target=ask, args=(answers,)) for answers in (first, second)]
    for thread in threads:
        thread.start()
    assert wait_until(lambda: len(under_way) == limits.CONNECTIONS)
    log.close()
    for thread in threads:
        thread.join()
    with pytest.raises(Unavailable, match="LOG_UNREACHABLE"):
        log.read(paths[0], 1000)


def ask(answers: Iterator[bytes | None]) -> None:
    with contextlib.suppress(Unavailable, CancelledError, RuntimeError):
        next(answers)


def test_a_payload_that_never_ends(web_auditor: Auditor) -> None:
    change = Change().build()
    web_auditor.serve(change.log)
    assert web_auditor.server is not None
    web_auditor.server.overrides[f"v1/payloads/{change.hashes['policy']}"] = endless(b"x" * 65_536)
    exit_code, code = web_auditor.evidence(change)
    assert exit_code == 3
    assert code in NO_END


def test_a_payload_said_to_be_gone_without_a_tombstone(web_auditor: Auditor) -> None:
    change = Change().build()
    web_auditor.serve(change.log)
    assert web_auditor.server is not None
    web_auditor.server.overrides[f"v1/payloads/{change.hashes['simulation']}"] = send(410, b"{}")
    assert web_auditor.evidence(change) == (3, "PAYLOAD_MISSING")


def test_an_error_page_in_place_of_the_checkpoint(web_auditor: Auditor) -> None:
    web_auditor.serve(Change().build().log)
    assert web_auditor.server is not None
    web_auditor.server.overrides["checkpoint"] = send(200, b"<html>be right back</html>")
    assert web_auditor.log() == (1, "NOTE_MALFORMED")
