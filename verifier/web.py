"""A log behind a URL: connections that are kept, a few answers at once, and a bound on every one of them."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, RemoteDisconnected
from typing import NoReturn

from verifier import limits
from verifier.address import Address
from verifier.encodings import encode_b64u
from verifier.errors import Unavailable
from verifier.limits import CONNECTIONS

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "trustlog-verify"}
_TICK_S = 0.2
_FOR_NOW = (408, 425, 429)  # and any 5xx: another time the answer may be another


class HttpSource:
    """A log behind a URL prefix. Follows no redirect: one server would speak for another."""

    is_live = True

    def __init__(self, location: str) -> None:
        self.location = location.rstrip("/")
        self._address = Address(self.location)
        self._threads = ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="fetch")
        self._kept = threading.local()
        self._every: list[_Connection] = []
        self._deadlines = _Deadlines()

    def close(self) -> None:
        """Hang up."""
        self._threads.shutdown(wait=False, cancel_futures=True)  # first: what waits would begin when others are hung up
        self._deadlines.stop()
        self._threads.shutdown(wait=True)
        for connection in self._every:
            connection.drop()

    def read(self, path: str, max_bytes: int) -> bytes | None:
        """The body of a GET; None for 404 and 410. A log that is busy is asked again, if it soon wants to be."""
        connection = self._connection()
        for _ in range(limits.RETRIES):
            try:
                return connection.get(path, max_bytes)
            except Unavailable:
                if connection.pause_s is None or self._deadlines.stops_within(connection.pause_s):
                    raise
        return connection.get(path, max_bytes)

    def _connection(self) -> _Connection:
        """This thread's."""
        kept: _Connection | None = getattr(self._kept, "connection", None)
        if kept is None:
            kept = self._kept.connection = _Connection(self._address, self._deadlines)
            self._every.append(kept)
        return kept

    def read_many(self, paths: Sequence[str], max_bytes: int) -> Iterator[bytes | None]:
        """Each body in order; no more are under way or waiting to be taken than there are connections."""
        waiting: deque[Future[bytes | None]] = deque()
        try:
            for path in paths:
                if len(waiting) == CONNECTIONS:
                    yield waiting.popleft().result()
                waiting.append(self._threads.submit(self.read, path, max_bytes))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def read_payloads(self, hashes: Sequence[bytes]) -> Iterator[bytes | None]:
        """The payloads at their content addresses."""
        return self.read_many([f"v1/payloads/{encode_b64u(name)}" for name in hashes], limits.MAX_PAYLOAD_BYTES)


class _Connection:
    """One connection, used for one request after another. Belongs to one thread.

    `pause_s` is how long the last answer asked to wait, None if it did not or for too long.
    """

    def __init__(self, address: Address, deadlines: _Deadlines) -> None:
        self._address = address
        self._deadlines = deadlines
        self._open: HTTPConnection | None = None
        self._is_late = False
        self.pause_s: int | None = None

    def get(self, path: str, max_bytes: int) -> bytes | None:
        """The body of a GET; None for 404 and 410. Raises Unavailable."""
        self.pause_s = None
        try:
            with closing(self._ask(path)) as response:  # which holds the socket, if the server is to hang up
                return self._take(response, path, max_bytes)
        except Unavailable as error:
            self.drop()
            if self._is_late:
                _too_late(path)
            raise error from None
        except (OSError, HTTPException, ValueError) as error:
            self.drop()
            if self._is_late:
                _too_late(path)
            _unreachable(path, error)
        except BaseException:
            self.drop()
            raise
        finally:
            self._deadlines.end(self)

    def hang_up(self) -> None:
        """End the request under way, from another thread."""
        self._is_late = True
        connection = self._open
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(2)
            except OSError:
                return

    def _ask(self, path: str) -> HTTPResponse:
        """Send the request, once more on a new connection if the server had closed the old one meanwhile."""
        reused = self._open is not None
        try:
            return self._ask_once(path)
        except (RemoteDisconnected, ConnectionError):
            self.drop()
            if not reused:
                raise
            return self._ask_once(path)

    def _ask_once(self, path: str) -> HTTPResponse:
        self._is_late = False
        if self._open is None:
            self._open = self._address.connect()
        self._deadlines.begin(self, time.monotonic() + limits.ANSWER_S)
        self._open.request("GET", f"{self._address.prefix}/{path}", headers=_HEADERS | self._address.headers)
        return self._open.getresponse()

    def _take(self, response: HTTPResponse, path: str, max_bytes: int) -> bytes | None:
        if response.status in (404, 410):
            self._finish(response)
            return None
        if response.status != 200:
            self.pause_s = _parse_pause(response)
            _refuse_status(path, response.status)
        _check_headers(response, path)
        if response.length is not None and response.length > max_bytes:
            _too_large(path, max_bytes)
        data = _read_in_time(response, path, max_bytes + 1)
        if self._is_late:  # we hung up: what looks like the end of a body may be that
            _too_late(path)
        if len(data) > max_bytes:
            _too_large(path, max_bytes)
        if response.length:
            raise Unavailable("LOG_UNREACHABLE", path, found="a body that was cut short")
        self._finish(response)
        return data

    def _finish(self, response: HTTPResponse) -> None:
        """Keep the connection if nothing of the answer is left on it."""
        if response.length and response.length <= limits.MAX_TILE_BYTES:
            response.read(response.length)
        if response.length == 0:
            response.close()  # of the answer, not of the connection
        if not response.isclosed() or response.will_close:
            self.drop()

    def drop(self) -> None:
        """Close it; the next request opens another."""
        connection, self._open = self._open, None
        if connection is not None:
            connection.close()


class _Deadlines:
    """Hangs up on answers that take too long as a whole: each step of one may be in time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[_Connection, float] = {}
        self._watch: threading.Thread | None = None
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Hang up on all that is under way; nothing begins any more."""
        self._stopped.set()

    def stops_within(self, seconds: float) -> bool:
        """Wait so long, unless this stops before; whether it did."""
        return self._stopped.wait(seconds)

    def begin(self, connection: _Connection, deadline: float) -> None:
        """A request begins. Raises ConnectionAbortedError if none is to."""
        with self._lock:
            if self._stopped.is_set():
                raise ConnectionAbortedError("the reader has hung up")
            self._due[connection] = deadline
            if self._watch is None:
                self._watch = threading.Thread(target=self._run, daemon=True, name="deadlines")
                self._watch.start()

    def end(self, connection: _Connection) -> None:
        """A request ended."""
        with self._lock:
            self._due.pop(connection, None)

    def _run(self) -> None:
        while not self._stopped.wait(_TICK_S):
            now = time.monotonic()
            self._hang_up([connection for connection, due in self._under_way() if due + _TICK_S < now])
        while under_way := self._under_way():  # one that is just being opened can be ended only once it is open
            self._hang_up([connection for connection, _ in under_way])
            time.sleep(_TICK_S / 10)

    def _under_way(self) -> list[tuple[_Connection, float]]:
        with self._lock:
            return list(self._due.items())

    def _hang_up(self, connections: list[_Connection]) -> None:
        for connection in connections:
            connection.hang_up()


def _refuse_status(path: str, status: int) -> NoReturn:
    """A log that is down or busy cannot be had now; any other answer is none that a log gives."""
    found = f"HTTP status {status}"
    if status in _FOR_NOW or 500 <= status < 600:
        raise Unavailable("LOG_UNREACHABLE", path, found=found)
    is_redirect = 300 <= status < 400 and status != 304
    raise Unavailable("LOG_RESPONSE_INVALID", path, expected="no redirect" if is_redirect else None, found=found)


def _parse_pause(response: HTTPResponse) -> int | None:
    """The seconds of `Retry-After`, if they are few (RFC 9110); a date is not waited for."""
    text = response.headers.get("Retry-After", "").strip()
    if response.status not in (429, 503) or re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) is None:
        return None
    return int(text) if int(text) <= limits.RETRY_AFTER_S else None


def _check_headers(response: HTTPResponse, path: str) -> None:
    """The body is as it was written, and where it ends can be told from where it was cut."""
    if any(coding.strip().lower() != "identity" for coding in response.headers.get_all("Content-Encoding", [])):
        raise Unavailable("LOG_RESPONSE_INVALID", path, expected="no content encoding", found="one")
    lengths = set(response.headers.get_all("Content-Length", []))
    if response.chunked:
        return
    is_one = len(lengths) == 1 and all(re.fullmatch(r"[0-9]{1,18}", length.strip(), re.ASCII) for length in lengths)
    if response.length is None or not is_one:
        found = " and ".join(sorted(lengths))[:64] or "none"
        raise Unavailable("LOG_RESPONSE_INVALID", path, expected="one Content-Length", found=found)


def _read_in_time(response: HTTPResponse, path: str, most: int) -> bytes:
    """At most `most` bytes of a body, within a time: a server that drips must not hold the auditor."""
    deadline = time.monotonic() + limits.ANSWER_S
    data = bytearray()
    while len(data) < most and (piece := response.read1(most - len(data))):
        data += piece
        if time.monotonic() > deadline:
            found = f"{len(data)} bytes"
            raise Unavailable("LOG_UNREACHABLE", path, expected=f"an answer within {limits.ANSWER_S} s", found=found)
    return bytes(data)


def _too_large(path: str, max_bytes: int) -> NoReturn:
    raise Unavailable("BODY_TOO_LARGE", path, expected=f"at most {max_bytes} bytes", found="more")


def _too_late(path: str) -> NoReturn:
    raise Unavailable("LOG_UNREACHABLE", path, expected=f"an answer within {limits.ANSWER_S} s") from None


def _unreachable(path: str, error: Exception) -> NoReturn:
    raise Unavailable("LOG_UNREACHABLE", path, found=(str(error) or type(error).__name__)[:200]) from None
