"""A log read through the proxy that the environment names: it can withhold, and it is told no more than it must know."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import IPv4Address
from pathlib import Path
from socket import create_connection, socket
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.verifier.test_http import QuietServer, Server, send
from tests.verifier.test_whole_log import PROVEN, big_log
from verifier.address import Address
from verifier.cli import main
from verifier.errors import Unusable


class Proxy:
    """A forwarding and tunnelling HTTP proxy on loopback that remembers what it was asked for."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str | None]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.note(self)
                if outer.answer is None:
                    forward(self)
                else:
                    outer.answer(self)

            def do_CONNECT(self) -> None:
                outer.note(self)
                if outer.answer is None:
                    tunnel(self)
                else:
                    outer.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Quiet."""

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def note(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append((f"{handler.command} {handler.path}", handler.headers["Proxy-Authorization"]))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def forward(handler: BaseHTTPRequestHandler) -> None:
    """Ask the server whose whole address the request names."""
    parts = urlsplit(handler.path)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        send(answer.status, answer.read())(handler)
    finally:
        connection.close()


def tunnel(handler: BaseHTTPRequestHandler) -> None:
    """Join the two connections until one ends."""
    host, _, port = handler.path.rpartition(":")
    with create_connection((host, int(port))) as there:
        handler.send_response(200)
        handler.end_headers()
        back = threading.Thread(target=pump, args=(there, handler.connection), daemon=True)
        back.start()
        pump(handler.connection, there)
        back.join()
    handler.close_connection = True


def pump(source: socket, target: socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(1)
    except OSError:
        return


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    big_log(5).export(tmp_path / "log")
    (tmp_path / "trust.toml").write_bytes(PROVEN)
    server = Server(tmp_path / "log")
    yield server
    server.close()


def read_log(url: str, folder: Path) -> int:
    return main(["log", url, "--entries", "--trust", str(folder / "trust.toml"), "--workers", "1"])


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_a_log_is_read_through_the_proxy(
    server: Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    assert read_log(server.url, tmp_path) == 0
    assert {path for path, _ in proxy.requests} == {
        f"GET {server.url}/{path}" for path in ("checkpoint", "tile/0/000.p/5", "tile/entries/000.p/5")
    }
    assert {authorization for _, authorization in proxy.requests} == {None}


def test_a_proxy_without_a_scheme_is_one_of_http(
    server: Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
    assert read_log(server.url, tmp_path) == 0
    assert proxy.requests


def test_user_and_password_are_for_the_proxy(
    server: Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://auditor:p%40ss@127.0.0.1:{proxy.port}")
    assert read_log(server.url, tmp_path) == 0
    expected = "Basic " + base64.b64encode(b"auditor:p@ss").decode()
    assert {authorization for _, authorization in proxy.requests} == {expected}


@pytest.mark.parametrize("excepted", ["127.0.0.1", "*", "127.0.0.1:{port}"])
def test_no_proxy_is_asked_for_a_host_that_is_excepted(
    server: Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, excepted: str
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", excepted.format(port=urlsplit(server.url).port))
    assert read_log(server.url, tmp_path) == 0
    assert proxy.requests == []


@pytest.mark.parametrize(
    ("location", "host", "port", "prefix"),
    [
        ("http://log.example/a", "log.example", 80, "/a"),
        ("http://log.example:8080", "log.example", 8080, ""),
        ("http://other.example/a", "proxy.example", 80, "http://other.example/a"),
        ("https://log.example/a/", "log.example", 443, "/a"),
        ("https://other.example", "proxy.example", 80, ""),
    ],
)
def test_the_way_to_a_log(monkeypatch: pytest.MonkeyPatch, location: str, host: str, port: int, prefix: str) -> None:
    for name, value in (("http_proxy", "proxy.example"), ("https_proxy", "proxy.example"), ("no_proxy", "log.example")):
        monkeypatch.setenv(name, value)
    address = Address(location)
    connection = address.connect()
    assert (connection.host, connection.port, address.prefix) == (host, port, prefix)


@pytest.mark.parametrize(
    "location",
    [
        "http://",
        "http://user@log.example",
        "http://log.example?a",
        "http://log.example#a",
        "http://log.example:x",
        "http://[",
    ],
)
def test_what_is_no_address_of_a_log_is_refused(location: str) -> None:
    with pytest.raises(Unusable, match="INPUT_UNREADABLE"):
        Address(location)


def test_a_proxy_that_refuses_leaves_the_verdict_undecided(
    server: Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    proxy.answer = send(407, b"")
    assert read_log(server.url, tmp_path) == 3


def test_a_proxy_that_answers_for_the_log_cannot_forge(
    server: Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    forged = big_log(5)
    forged.key = type(forged.key)("the proxy's own")
    proxy.answer = send(200, forged.note().encode())
    assert read_log(server.url, tmp_path) == 1


def test_a_proxy_that_is_not_there_leaves_the_verdict_undecided(
    server: Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.close()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    assert read_log(server.url, tmp_path) == 3


@pytest.mark.parametrize("proxy_url", ["socks5://s3cret@127.0.0.1:1", "https://s3cret@127.0.0.1:1", "http://", "http://h:x"])
def test_a_proxy_of_another_kind_is_refused_and_its_password_not_shown(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], proxy_url: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy_url)
    assert read_log(server.url, tmp_path) == 2
    said = capsys.readouterr()
    assert "http_proxy" in said.err
    assert "s3cret" not in said.err + said.out


# --- over TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throw-away certificate of 127.0.0.1 with its key."""
    key, name = Ed25519PrivateKey.generate(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "log")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, None)
    )
    file = tmp_path_factory.mktemp("tls") / "log.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def tls_server(server: Server, certificate: Path) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listening = server._server
    listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    server.url = server.url.replace("http://", "https://")
    return server


def test_a_log_over_tls_is_read_through_a_tunnel_that_sees_its_name_alone(
    tls_server: Server, proxy: Proxy, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("https_proxy", f"http://auditor:secret@127.0.0.1:{proxy.port}")
    assert read_log(tls_server.url, tmp_path) == 0
    expected = "Basic " + base64.b64encode(b"auditor:secret").decode()
    assert set(proxy.requests) == {(f"CONNECT {tls_server.url.removeprefix('https://')}", expected)}


def test_a_tunnel_to_a_server_without_a_trusted_certificate_leaves_the_verdict_undecided(
    tls_server: Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    trust = str(tmp_path / "trust.toml")
    assert main(["log", tls_server.url, "--trust", trust, "--json"]) == 3
    assert "CERTIFICATE_VERIFY_FAILED" in json.loads(capsys.readouterr().out)["reason"]


def test_a_tunnel_that_is_refused_leaves_the_verdict_undecided(
    tls_server: Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    proxy.answer = send(403, b"")
    assert read_log(tls_server.url, tmp_path) == 3
