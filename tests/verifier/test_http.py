"""A log over HTTP, honest and dishonest: what cannot be got is undecided, what contradicts itself fails."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.verifier.biglog import write_big_log
from tests.verifier.changebuilder import SECURITY, Change, Payload, trust_toml
from verifier import limits
from verifier.cli import main
from verifier.encodings import decode_b64u

Answer = Callable[[BaseHTTPRequestHandler], None]


class QuietServer(ThreadingHTTPServer):
    """Says nothing of clients that go away: it would be said in the middle of another test."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Server:
    """Serves an exported directory; `overrides` replace the answer of single paths."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1") -> None:
        self.folder = folder
        self.overrides: dict[str, Answer] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Quiet."""

        self._server = QuietServer((host, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.lstrip("/")
        if path in self.overrides:
            self.overrides[path](handler)
            return
        if path.startswith("v1/payloads/"):
            name = decode_b64u(path.removeprefix("v1/payloads/"), "hash").hex()
            path = f"payloads/{name[:2]}/{name}"
        file = self.folder / path
        if file.is_file():
            send(200, file.read_bytes())(handler)
        else:
            send(404, b"")(handler)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def send(status: int, body: bytes, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def change() -> Change:
    return Change().build()


@pytest.fixture
def server(tmp_path: Path, change: Change) -> Iterator[Server]:
    change.log.export(tmp_path / "log")
    server = Server(tmp_path / "log")
    yield server
    server.close()


def judge(server: Server, change: Change, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    pack, trust = tmp_path / "pack.json", tmp_path / "trust.toml"
    pack.write_bytes(change.pack_bytes())
    trust.write_bytes(trust_toml(absence="log"))
    arguments = ["evidence", str(pack), "--trust", str(trust), "--log", server.url, "--at", "2026-03-02"]
    code = main([*arguments, "--json"])
    return code, str(json.loads(capsys.readouterr().out)["reason_code"])


def test_absence_is_proven_over_http(
    server: Server, change: Change, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(server, change, tmp_path, capsys) == (0, "OK")
    assert main(["log", server.url, "--trust", str(tmp_path / "trust.toml"), "--deep"]) == 0


def slow(handler: BaseHTTPRequestHandler) -> None:
    with contextlib.suppress(OSError):
        handler.connection.recv(1)  # nothing comes but the end: the verifier has left
    handler.close_connection = True


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    with contextlib.suppress(OSError):  # the verifier has left
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.1)


def cut(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b"short")


@pytest.mark.parametrize(
    ("path", "answer", "expected"),
    [
        ("checkpoint", send(404, b""), (3, "LOG_UNREACHABLE")),
        ("checkpoint", send(302, b"", Location="http://127.0.0.1:1/checkpoint"), (3, "LOG_RESPONSE_INVALID")),
        ("checkpoint", send(500, b"broken"), (3, "LOG_UNREACHABLE")),
        ("checkpoint", send(200, b"x" * 200_000), (3, "BODY_TOO_LARGE")),
        ("checkpoint", send(200, b"x", Content_Encoding="gzip"), (3, "LOG_RESPONSE_INVALID")),
        ("checkpoint", send(200, b"not a note"), (1, "NOTE_MALFORMED")),
        ("checkpoint", slow, (3, "LOG_UNREACHABLE")),
        ("checkpoint", drip, (3, "LOG_UNREACHABLE")),
        ("checkpoint", cut, (3, "LOG_UNREACHABLE")),
        ("tile/0/000.p/17", send(404, b""), (3, "NOT_FOUND")),
        ("tile/0/000.p/17", send(200, b"x" * 544), (1, "TILE_INVALID")),
        ("tile/0/000.p/17", send(200, b"x" * 543), (1, "TILE_MALFORMED")),
        ("tile/entries/000.p/17", send(200, b"\x00\x01xx"), (1, "BUNDLE_MALFORMED")),
        ("tile/entries/000.p/17", send(404, b""), (3, "NOT_FOUND")),
    ],
)
def test_a_server_that_answers(
    server: Server,
    change: Change,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    path: str,
    answer: Answer,
    expected: tuple[int, str],
) -> None:
    if answer in (slow, drip):  # everything else gets all the time that the machine takes
        monkeypatch.setattr(limits, "HTTP_TIMEOUT_S", 0.5)
        monkeypatch.setattr(limits, "ANSWER_S", 1)
    server.overrides[path] = answer
    assert judge(server, change, tmp_path, capsys) == expected


def test_a_server_that_swaps_a_payload(
    server: Server, change: Change, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    payload_hash = change.hashes["approve_execute_1"]
    server.overrides[f"v1/payloads/{payload_hash}"] = send(200, b'{"another":"payload"}')
    assert judge(server, change, tmp_path, capsys) == (1, "HASH_MISMATCH")


def test_a_server_that_swaps_the_payload_of_a_hidden_denial(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A denial does not lose its effect because somebody brings other bytes for it."""

    def unlisted(payload: Payload) -> None:
        at = hiding.log.index_of(hiding.hashes["hidden"])
        payload["evidence"] = [seen for seen in payload["evidence"] if seen["index"] != at]

    hiding = Change(
        before={"decide_execute": lambda c: c.deny("hidden", "p-sec", SECURITY)},
        edit={"decide_execute": unlisted, "decide_close": unlisted},
    )
    hiding.build()
    hiding.log.export(server.folder)
    server.overrides[f"v1/payloads/{hiding.hashes['hidden']}"] = send(200, b'{"another":"payload"}')
    assert judge(server, hiding, tmp_path, capsys) == (1, "HASH_MISMATCH")


def test_a_server_that_withholds_a_payload(
    server: Server, change: Change, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.overrides[f"v1/payloads/{change.hashes['policy']}"] = send(404, b"")
    assert judge(server, change, tmp_path, capsys) == (3, "PAYLOAD_MISSING")


def test_no_server_at_all(tmp_path: Path, change: Change, capsys: pytest.CaptureFixture[str]) -> None:
    change.log.export(tmp_path / "log")
    server = Server(tmp_path / "log")
    server.close()
    assert judge(server, change, tmp_path, capsys) == (3, "LOG_UNREACHABLE")


# --- connections


class Counting(Server):
    """Counts connections, and may close each after some answers without saying so."""

    def __init__(self, folder: Path, *, answers: int | None = None) -> None:
        super().__init__(folder)
        self.addresses: set[object] = set()
        self._answers = answers
        self._server.RequestHandlerClass.protocol_version = "HTTP/1.1"  # type: ignore[attr-defined]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.addresses.add(handler.client_address)
        super().answer(handler)
        count = getattr(handler, "answered", 0) + 1
        handler.answered = count  # type: ignore[attr-defined]
        handler.close_connection |= self._answers is not None and count >= self._answers


@pytest.fixture
def counting(tmp_path: Path, change: Change) -> Iterator[Counting]:
    change.log.export(tmp_path / "log")
    server = Counting(tmp_path / "log")
    yield server
    server.close()


def deep(server: Server, tmp_path: Path) -> int:
    (tmp_path / "trust.toml").write_bytes(trust_toml(absence="log"))
    return main(["log", server.url, "--trust", str(tmp_path / "trust.toml"), "--deep"])


def test_connections_are_kept_and_few(counting: Counting, tmp_path: Path) -> None:
    assert deep(counting, tmp_path) == 0
    assert len(counting.addresses) <= limits.CONNECTIONS + 1, "those that fetch ahead, and one beside them"


def test_a_server_that_closes_kept_connections_without_a_word(tmp_path: Path, change: Change) -> None:
    change.log.export(tmp_path / "log")
    server = Counting(tmp_path / "log", answers=2)
    assert deep(server, tmp_path) == 0
    assert len(server.addresses) > limits.CONNECTIONS + 1
    server.close()


def drip_headers(handler: BaseHTTPRequestHandler) -> None:
    with contextlib.suppress(OSError):  # the verifier has left
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.1)


@pytest.mark.parametrize("answer", [drip, drip_headers], ids=["body", "headers"])
@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000.p/17", "payload"])
def test_an_answer_that_drips_holds_nobody(
    counting: Counting, change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, path: str, answer: Answer
) -> None:
    """Each of its steps is in time, and there is no last one."""
    monkeypatch.setattr(limits, "ANSWER_S", 0.5)
    name = f"v1/payloads/{change.hashes['policy']}" if path == "payload" else path
    counting.overrides[name] = answer
    assert deep(counting, tmp_path) == 3


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\nlog.example/changes")
    handler.close_connection = True


def headless(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Cut: ")
    handler.close_connection = True


@pytest.mark.parametrize("answer", [endless, headless])
def test_an_answer_that_may_have_been_cut_is_no_contradiction(counting: Counting, tmp_path: Path, answer: Answer) -> None:
    counting.overrides["checkpoint"] = answer
    assert deep(counting, tmp_path) == 3


def test_what_follows_an_unread_answer_is_no_answer_to_the_next_request(counting: Counting, tmp_path: Path) -> None:
    """A 404 with a body larger than anything that is read to keep a connection: the connection is dropped."""
    counting.overrides["tile/0/000.p/17"] = send(404, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx" * 5000)
    assert deep(counting, tmp_path) == 3


@pytest.mark.parametrize(
    "url", ["http://", "http://user@127.0.0.1/", "http://127.0.0.1:x/", "http://127.0.0.1/?q=1", "http://[::1/"]
)
def test_a_url_that_is_no_place_of_a_log_is_refused(tmp_path: Path, url: str) -> None:
    (tmp_path / "trust.toml").write_bytes(trust_toml(absence="log"))
    assert main(["log", url, "--trust", str(tmp_path / "trust.toml")]) == 2


def test_workers_fetch_over_connections_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_big_log(tmp_path / "log", 256 * 40 + 17)
    server = Counting(tmp_path / "log")
    monkeypatch.setattr(limits, "PARALLEL_ENTRIES", 0)
    (tmp_path / "trust.toml").write_bytes(trust_toml(absence="log"))
    arguments = ["log", server.url, "--trust", str(tmp_path / "trust.toml"), "--json", "--workers", "2"]
    assert main(arguments) == 0
    assert len(server.addresses) <= 2 * (limits.CONNECTIONS + 1) + 1
    server.overrides["tile/0/030"] = send(404, b"")
    capsys.readouterr()
    assert main(arguments) == 3
    assert "tile/0/030" in capsys.readouterr().out
    server.close()


def test_two_checkpoints_of_a_running_log(server: Server, change: Change, tmp_path: Path) -> None:
    (tmp_path / "trust.toml").write_bytes(trust_toml(absence="log"))
    new = tmp_path / "new"
    new.write_text(change.log.note())
    old = tmp_path / "old"
    arguments = ["consistency", str(old), str(new), "--trust", str(tmp_path / "trust.toml"), "--log"]
    for size in (0, 1, 8, change.log.size):
        old.write_text(change.log.note(size))
        assert main([*arguments, server.url]) == 0
        assert main([*arguments, str(server.folder)]) == 0
    server.overrides["tile/0/000.p/17"] = send(404, b"")
    old.write_text(change.log.note(8))
    assert main([*arguments, server.url]) == 3
