"""Where a log's server is, and the way to it: straight, or through the proxy that the environment names.

An auditor's network may have no other way out, so `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` (in either case) are honoured, and
the system's own settings where Python reads them. A proxy is no more trusted than the log: it can withhold, not forge.
"""

from __future__ import annotations

import base64
import re
import socket
import time
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from verifier import limits
from verifier.errors import Unusable

_PLAIN = re.compile(r'[!"$->@-~]+')  # no space, control character, query or fragment
_USER = re.compile(r"//[^/?#]*@")  # never shown: it may hold a password


class Address:
    """Host, port and prefix of a log. `headers` go with each request: what a proxy wants to know besides."""

    def __init__(self, location: str) -> None:
        shown, expected = _USER.sub("//", location), "http(s)://host[:port][/prefix] in ASCII, without user or query"
        parts, port = _split(location, shown, expected)
        self._host, self._port = parts.hostname or "", port
        if not _PLAIN.fullmatch(location) or not _is_host(self._host) or parts.username is not None or port == 0:
            raise Unusable("INPUT_UNREADABLE", shown[:200], expected=expected)
        self._is_tls = parts.scheme == "https"
        self._proxy = _find_proxy(parts.scheme, self._host, port)
        self.prefix = parts.path.rstrip("/")
        self.headers: dict[str, str] = {}
        if self._proxy is not None and not self._is_tls:  # this proxy reads the request: it is told the whole address
            self.prefix = location
            self.headers = _authorization(self._proxy)

    def connect(self) -> HTTPConnection:
        """A connection that is opened by its first request."""
        kind = HTTPSConnection if self._is_tls else HTTPConnection
        host, port = self._host, self._port
        if self._proxy is not None:
            host, port = self._proxy.hostname or "", self._proxy.port or 80
        connection = kind(host, port, timeout=limits.HTTP_TIMEOUT_S)
        # http.client gives every address of a name the whole time, and a name may have hundreds
        connection._create_connection = _dial  # type: ignore[attr-defined] # noqa: SLF001 - it has no public place for it
        if self._proxy is not None and self._is_tls:  # through a tunnel: this proxy sees the log's name alone
            connection.set_tunnel(self._host, self._port, _authorization(self._proxy))
        return connection


def _is_host(name: str) -> bool:
    try:
        return bool(name.encode("idna"))
    except UnicodeError:
        return False


def _dial(address: tuple[str, int], timeout_s: float, source: tuple[str, int] | None = None) -> socket.socket:
    """A connection to the first address of a name that answers; all of them share one time. Raises OSError."""
    del source
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    deadline = time.monotonic() + timeout_s
    failure = OSError("the name has no address")
    for position, (*_, place) in enumerate(found):
        share_s = (deadline - time.monotonic()) / (len(found) - position)
        if share_s <= 0:
            break
        try:
            connection = socket.create_connection((str(place[0]), int(place[1])), share_s)
        except OSError as error:
            failure = error
            continue
        connection.settimeout(timeout_s)
        return connection
    raise failure


def _split(url: str, shown: str, expected: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Unusable("INPUT_UNREADABLE", shown[:200], expected=expected) from None
    return parts, port


def _find_proxy(scheme: str, host: str, port: int | None) -> SplitResult | None:
    """The environment's proxy for a host, None where there is none. Raises Unusable for one that cannot be used."""
    text = getproxies().get(scheme)
    if not text or proxy_bypass(host) or (port is not None and proxy_bypass(f"{host}:{port}")):
        return None
    what, expected = f"{scheme}_proxy", "http://[user:password@]host[:port]"
    proxy, _ = _split(text if "//" in text else f"http://{text}", what, expected)  # never shown: it may hold a password
    if proxy.scheme != "http" or not proxy.hostname:
        raise Unusable("INPUT_UNREADABLE", what, expected=expected)
    return proxy


def _authorization(proxy: SplitResult) -> dict[str, str]:
    """HTTP Basic (RFC 7617), if the proxy's address holds a user."""
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"}
