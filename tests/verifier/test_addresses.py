"""What is taken for the place of a log, what is not, and how long a name may keep the auditor."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from tests.verifier.test_http import QuietServer, Server
from tests.verifier.test_whole_log import PROVEN, big_log
from verifier import limits
from verifier.address import Address
from verifier.cli import main
from verifier.errors import Unusable


@pytest.mark.parametrize(
    "url",
    [
        "http://host/?",
        "http://host/#",
        "http://host/a b",
        "http://host/\n",
        "http://ho\tst/",
        "http://host/\u00e4",
        "http://\u00e4.example/",
        "http://host:0/",
        "http://host:65536/",
        "http://:80/",
        "http://" + "a" * 64 + ".example/",
        "http://a..example/",
    ],
)
def test_an_address_that_no_request_could_name_is_refused(url: str) -> None:
    with pytest.raises(Unusable, match="INPUT_UNREADABLE"):
        Address(url)


@pytest.mark.parametrize("url", ["http://auditor:secret@host/", "http://secret@host:x/", "https://a:secret@[::1/"])
def test_a_password_is_refused_and_never_shown(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trust.toml").write_bytes(PROVEN)
    assert main(["log", url, "--trust", str(tmp_path / "trust.toml"), "--json"]) == 2
    said = capsys.readouterr()
    assert "secret" not in said.out + said.err


@pytest.mark.parametrize("name", ["", "x" * 5000, "a\0b", "file:///etc", "nothing/here"])
def test_a_name_that_is_no_directory_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The empty name is not the root of the file system."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trust.toml").write_bytes(PROVEN)
    assert main(["log", name, "--trust", "trust.toml", "--json"]) == 2
    assert "INPUT_UNREADABLE" in capsys.readouterr().out


@pytest.mark.parametrize("spelling", ["http://127.0.0.1:{}", "HTTP://127.0.0.1:{}///", "http://localhost:{}/"])
def test_an_address_in_any_spelling_is_the_same_log(spelling: str, tmp_path: Path) -> None:
    big_log(5).export(tmp_path / "log")
    (tmp_path / "trust.toml").write_bytes(PROVEN)
    server = Server(tmp_path / "log")
    port = server.url.rpartition(":")[2]
    try:
        assert main(["log", spelling.format(port), "--trust", str(tmp_path / "trust.toml")]) == 0
    finally:
        server.close()


def test_an_address_of_ip_version_6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this machine has none, its own address of version 4 stands for that of version 6."""
    monkeypatch.setattr(QuietServer, "address_family", socket.AF_INET6)
    try:
        server = Server(tmp_path / "log", host="::1")
    except OSError:
        monkeypatch.undo()
        server = Server(tmp_path / "log")
        server.url = server.url.replace("127.0.0.1", "[::1]")
        dial = socket.create_connection
        monkeypatch.setattr(socket, "create_connection", lambda place, wait_s: dial(("127.0.0.1", place[1]), wait_s))
    big_log(5).export(tmp_path / "log")
    (tmp_path / "trust.toml").write_bytes(PROVEN)
    try:
        assert main(["log", server.url, "--trust", str(tmp_path / "trust.toml")]) == 0
    finally:
        server.close()


def test_all_addresses_of_a_name_share_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns the name may give it as many addresses as he likes, none of which answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        place = deaf.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:  # the queue is full: who comes now is not answered
            client.setblocking(False)
            client.connect_ex(place)
        one = (socket.AF_INET, socket.SOCK_STREAM, 6, "", place)
        real = socket.getaddrinfo
        asked: list[object] = []

        def many(host: str, *arguments: object, **options: object) -> list[object]:
            if host != "many.example":
                return list(real(host, *arguments, **options))  # type: ignore[arg-type]
            asked.append(host)
            return [one] * 50

        monkeypatch.setattr(socket, "getaddrinfo", many)
        monkeypatch.setattr(limits, "HTTP_TIMEOUT_S", 0.5)
        dial, shares_s = socket.create_connection, list[float]()

        def tell(place: tuple[str, int], share_s: float) -> socket.socket:
            shares_s.append(share_s)
            return dial(place, share_s)

        monkeypatch.setattr(socket, "create_connection", tell)
        connection = Address("http://many.example/").connect()
        with pytest.raises(OSError, match="timed out"):
            connection.request("GET", "/checkpoint")
        assert asked
        assert sum(shares_s) <= 0.5 + 1e-6, "fifty times half a second is more"
        for client in waiting:
            client.close()


@pytest.mark.parametrize(
    "speaks", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03"], ids=["nothing", "http", "half"]
)
def test_a_server_that_speaks_no_tls_is_unreachable(
    speaks: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also one that says nothing at all, or begins and goes no further."""
    monkeypatch.setattr(limits, "HTTP_TIMEOUT_S", 0.5)
    (tmp_path / "trust.toml").write_bytes(PROVEN)
    kept: list[socket.socket] = []

    def answer(listener: socket.socket) -> None:
        client, _ = listener.accept()
        client.sendall(speaks)
        kept.append(client)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        assert main(["log", url, "--trust", str(tmp_path / "trust.toml"), "--json"]) == 3
        thread.join()
    assert "LOG_UNREACHABLE" in capsys.readouterr().out
    for client in kept:
        client.close()
