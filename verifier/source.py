"""Where a log is read from: an exported directory or a URL. Bounded reads, time-outs, no redirects.

A directory is a C2SP tile tree plus `payloads/<first two hex>/<sha256 hex>`.
"""

from __future__ import annotations

import errno
import io
import socket
import time
import urllib.error
import urllib.request
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, Protocol

from verifier.encodings import decode_b64u
from verifier.errors import Refused, Unavailable, Unusable
from verifier.limits import ANSWER_S, HTTP_TIMEOUT_S, MAX_BUNDLE_BYTES, MAX_NOTE_BYTES, MAX_PAYLOAD_BYTES
from verifier.tiles import TILE_WIDTH, Tile, split_bundle, split_tile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer


class Source(Protocol):
    """Reads named parts of one log."""

    @property
    def is_live(self) -> bool:
        """Whether this is a running log, whose checkpoint should be fresh."""

    def read(self, path: str, max_bytes: int) -> bytes | None:
        """The bytes at a path, or None if there are none. Raises Unavailable."""

    def read_payload(self, sha256_b64u: str) -> bytes | None:
        """The payload with this hash, or None if it is not there. Not checked. Raises Unavailable."""


def open_source(location: str) -> Source:
    """The log at a URL or in a directory. Raises Unusable INPUT_UNREADABLE if there is no such directory."""
    if location.startswith(("http://", "https://")):
        return HttpSource(location)
    return DirectorySource(location)


class DirectorySource:
    """A log in a directory."""

    is_live = False

    def __init__(self, location: str) -> None:
        self._root = Path(location)
        if not self._root.is_dir():
            raise Unusable("INPUT_UNREADABLE", location, expected="a directory or a URL")

    def read(self, path: str, max_bytes: int) -> bytes | None:
        """The bytes of a file, or None if there is no such file."""
        try:
            with (self._root / path).open("rb") as file:
                data = file.read(max_bytes + 1)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise Unavailable("LOG_UNREACHABLE", path, found=error.strerror) from None
        if len(data) > max_bytes:
            raise Unavailable("BODY_TOO_LARGE", path, expected=f"at most {max_bytes} bytes")
        return data

    def read_payload(self, sha256_b64u: str) -> bytes | None:
        """The payload filed under its hash."""
        name = decode_b64u(sha256_b64u, "payload hash", length=32).hex()
        return self.read(f"payloads/{name[:2]}/{name}", MAX_PAYLOAD_BYTES)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would let one server speak for another."""

    def redirect_request(  # noqa: PLR0917 - the signature of the base class
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """Follow nothing."""


class _Timed(io.RawIOBase):
    """An answer's bytes, status line and headers included, until a deadline: each step of it may be in time."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._deadline = time.monotonic() + ANSWER_S

    def readable(self) -> bool:
        """It is read only."""
        return True

    def readinto(self, buffer: Buffer, /) -> int | None:
        """As the connection's. Raises TimeoutError past the deadline."""
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"no whole answer within {ANSWER_S} s")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close the connection's side too."""
        self._raw.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp = io.BufferedReader(_Timed(self.fp.detach()))


class _TimedConnection(HTTPConnection):
    response_class = _TimedResponse


class _TimedTlsConnection(HTTPSConnection):
    response_class = _TimedResponse


class _TimedHttp(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Open with a deadline."""
        return self.do_open(_TimedConnection, req)


class _TimedHttps(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Open with a deadline."""
        return self.do_open(_TimedTlsConnection, req)


class HttpSource:
    """A log behind a URL prefix."""

    is_live = True

    def __init__(self, location: str) -> None:
        self._prefix = location.rstrip("/")
        self._opener = urllib.request.build_opener(_NoRedirects, _TimedHttp, _TimedHttps)

    def read(self, path: str, max_bytes: int) -> bytes | None:
        """The body of a GET; None for 404 and 410."""
        url = f"{self._prefix}/{path}"
        request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})  # noqa: S310
        try:
            with self._opener.open(request, timeout=HTTP_TIMEOUT_S) as response:
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise Unavailable("LOG_RESPONSE_INVALID", path, expected="no content encoding")
                data = _read_in_time(response, path, max_bytes + 1)
                if len(data) <= max_bytes and response.length:
                    raise Unavailable("LOG_UNREACHABLE", path, found="a body that was cut short")
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (404, 410):
                return None
            raise Unavailable("LOG_RESPONSE_INVALID", path, found=f"HTTP status {error.code}") from None
        except (OSError, HTTPException, ValueError) as error:
            _unreachable(path, error)
        if len(data) > max_bytes:
            raise Unavailable("BODY_TOO_LARGE", path, expected=f"at most {max_bytes} bytes")
        return data

    def read_payload(self, sha256_b64u: str) -> bytes | None:
        """The payload at its content address."""
        return self.read(f"v1/payloads/{sha256_b64u}", MAX_PAYLOAD_BYTES)


def _read_in_time(response: HTTPResponse, path: str, most: int) -> bytes:
    """At most `most` bytes of a body, within a time: a server that drips must not hold the auditor."""
    deadline = time.monotonic() + ANSWER_S
    data = bytearray()
    while len(data) < most and (piece := response.read1(most - len(data))):
        data += piece
        if time.monotonic() > deadline:
            raise Unavailable("LOG_UNREACHABLE", path, expected=f"an answer within {ANSWER_S} s", found=f"{len(data)} bytes")
    return bytes(data)


def _unreachable(path: str, error: Exception) -> NoReturn:
    reason = getattr(error, "reason", error)
    raise Unavailable("LOG_UNREACHABLE", path, found=str(reason)[:200]) from None


def read_checkpoint(source: Source) -> bytes:
    """The checkpoint note that the log serves."""
    data = source.read("checkpoint", MAX_NOTE_BYTES)
    if data is None:
        raise Unavailable("LOG_UNREACHABLE", "checkpoint", found="none")
    return data


def read_tile(source: Source, tile: Tile) -> list[bytes]:
    """The hashes of a tile, from the full tile if the partial one is no longer served."""
    return _read_prefix(source, tile, split_tile)


def read_bundle(source: Source, tile: Tile) -> list[bytes]:
    """The entries of a bundle, from the full one if the partial one is no longer served."""
    return _read_prefix(source, tile, split_bundle)


class _Split(Protocol):
    def __call__(self, data: bytes, width: int, /) -> list[bytes]: ...


def _read_prefix(source: Source, tile: Tile, split: _Split) -> list[bytes]:
    data = source.read(tile.path, MAX_BUNDLE_BYTES)
    if data is not None:
        return _named(split, data, tile)
    full = Tile(tile.level, tile.index)
    data = source.read(full.path, MAX_BUNDLE_BYTES) if tile.width < TILE_WIDTH else None
    if data is None:
        raise Unavailable("NOT_FOUND", tile.path, expected="every tile and entry bundle under the checkpoint")
    return _named(split, data, full)[: tile.width]


def _named(split: _Split, data: bytes, tile: Tile) -> list[bytes]:
    try:
        return split(data, tile.width)
    except Refused as error:
        raise Refused(error.code, tile.path, expected=error.expected, found=error.found) from None
