"""What a server can do to an auditor besides lying: hold him, flood him, send him elsewhere."""

from __future__ import annotations

import contextlib
import gzip
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from tests.verifier.adversary.auditor import Auditor
from tests.verifier.changebuilder import Change
from tests.verifier.test_http import send
from verifier import limits, source

Answer = Callable[[BaseHTTPRequestHandler], None]
SOON_S = 20  # well above the patched bounds, well below a hang


@pytest.fixture(autouse=True)
def short_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting is measured in tenths of seconds here."""
    for module in (limits, source):
        monkeypatch.setattr(module, "HTTP_TIMEOUT_S", 0.5, raising=False)
        monkeypatch.setattr(module, "ANSWER_S", 1, raising=False)


def endless(piece: bytes, head: bytes = b"HTTP/1.0 200 OK\r\n\r\n", pause_s: float = 0) -> Answer:
    """Sends `head`, then `piece` for as long as anybody listens, at most for a while."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        until = time.monotonic() + 2 * SOON_S
        with contextlib.suppress(OSError):  # the verifier has left
            handler.wfile.write(head)
            while time.monotonic() < until:
                handler.wfile.write(piece)
                time.sleep(pause_s)
        handler.close_connection = True

    return answer


def redirect(status: int) -> Answer:
    return send(status, b"", Location="/tile/0/000")


# A body whose end only the end of the connection shows may be refused for that alone, or when time or room run out.
NO_END = ("LOG_RESPONSE_INVALID", "LOG_UNREACHABLE", "BODY_TOO_LARGE")
FLOOD = ("BODY_TOO_LARGE", "LOG_UNREACHABLE")  # an entry bundle may be so large that time runs out first
NOTHING = gzip.compress(bytes(10 << 20))
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
def test_a_server_that_answers_with(web_auditor: Auditor, path: str, answer: Answer, codes: tuple[str, ...]) -> None:
    """Undecided, and soon: nothing follows about the log from what could not be got."""
    change = Change().build()
    web_auditor.serve(change.log)
    assert web_auditor.server is not None
    web_auditor.server.overrides[path] = answer
    began = time.monotonic()
    exit_code, code = web_auditor.log()
    assert time.monotonic() - began < SOON_S
    assert exit_code == 3
    assert code in codes


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
