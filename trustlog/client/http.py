"""HTTP as a client of something hostile: bounded, impatient, and led nowhere.

No redirects, no cookies, no proxies from the environment, no compression (what was sent is what is counted), a bound on every
body, a time-out on every request. What comes out is a status, a media type and at most so many bytes.
"""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

from trustlog import __version__
from trustlog.client.answers import PROBLEM_TYPE, parse_problem, response_invalid
from trustlog.errors import Refused

CONNECT_TIMEOUT_S: Final = 5.0
REQUEST_TIMEOUT_S: Final = 30.0  # an honest log answers a submission in milliseconds, a batch in a second
STREAM_TIMEOUT_S: Final = 600.0  # a long batch in one request
MAX_PROBLEM_BYTES: Final = 64 * 1024
LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})

_READ_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that was read whole: `body` is within the bound that was asked for."""

    status: int
    media_type: str
    body: bytes


def open_session() -> aiohttp.ClientSession:
    """A session as :class:`Http` wants it: no cookies kept, nothing decompressed, no proxy taken from the environment."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"trustlog/{__version__}", "Accept-Encoding": "identity"},
    )


def parse_log_url(text: str) -> URL:
    """The prefix of a log: ``http`` or ``https``, no user, query or fragment (``PARAMETER_INVALID``); ends without a slash."""
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host or url.user or url.password or url.query_string or url.fragment:
        raise Refused(
            "PARAMETER_INVALID",
            "not the URL of a log",
            param="log",
            expected="http(s)://host[:port][/prefix]",
            found=text if not {"@", "?"} & set(text) else "an address with a user, a password or a query",
            hint="give the address that trustlog serve printed, such as http://127.0.0.1:8080",
        )
    return url.with_path(url.path.rstrip("/"))


class Http:
    """Requests to one log, each answered whole within `timeout_s` or given up.

    `credential` is a bearer token; it is sent in the clear to loopback addresses only.
    """

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        *,
        credential: str | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        assert not session.auto_decompress, "make the session with open_session()"
        self.url = parse_log_url(url)
        if credential is not None and self.url.scheme != "https" and self.url.host not in LOOPBACK_HOSTS:
            raise Refused("PARAMETER_INVALID", "a credential is not sent over plain http", param="log", expected="https://…")
        self._session = session
        self._timeout_s = timeout_s
        self._headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}

    async def get(self, path: str, *, max_bytes: int, query: Mapping[str, str] | None = None) -> Reply:
        """GET a resource under the log's prefix. Raises Refused; a problem document is raised as what it says."""
        async with self._request("GET", path, query=query, timeout_s=self._timeout_s) as response:
            return await _read_reply(response, max_bytes)

    async def post(self, path: str, body: bytes, *, media_type: str, max_bytes: int) -> Reply:
        """POST `body`. Raises as :meth:`get` does."""
        async with self._request("POST", path, body=body, media_type=media_type, timeout_s=self._timeout_s) as response:
            return await _read_reply(response, max_bytes)

    async def post_lines(
        self, path: str, lines: AsyncIterator[bytes], *, media_type: str, max_line_bytes: int
    ) -> AsyncGenerator[bytes, None]:
        """POST `lines` (each ending in LF) as they come; the answer's lines, without LF, as they come.

        Raises as :meth:`get` does, and ``LOG_RESPONSE_INVALID`` for a line beyond `max_line_bytes` or one that has no end.
        """
        async with self._request(
            "POST", path, body=lines, media_type=media_type, timeout_s=STREAM_TIMEOUT_S, idle_s=self._timeout_s
        ) as response:
            if response.status != 200 or response.content_type != media_type:
                await _read_reply(response, 0)
                raise response_invalid(
                    "the answer to a batch is not a batch", found=f"{response.status} {response.content_type}"
                )
            pending = b""
            async for chunk in response.content.iter_chunked(_READ_BYTES):
                *whole, pending = (pending + chunk).split(b"\n")
                for line in whole:
                    yield line
                if len(pending) > max_line_bytes:
                    raise response_invalid("a line of the answer is too long", expected=f"at most {max_line_bytes} bytes")
            if pending:
                raise response_invalid("the answer ends within a line")

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        idle_s: float | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes | AsyncIterator[bytes] | None = None,
        media_type: str | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = dict(self._headers) if media_type is None else {**self._headers, "Content-Type": media_type}
        try:
            async with self._session.request(
                method,
                URL(f"{self.url}/{path}", encoded=True),
                params=query,
                data=_as_stream(body),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_TIMEOUT_S, sock_read=idle_s),
            ) as response:
                _check_head(response)
                yield response
        except TimeoutError:
            raise self._unreachable(f"no whole answer within {idle_s or timeout_s:g} s") from None
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
            raise self._unreachable(_why(error)) from None
        except aiohttp.ClientError as error:
            raise response_invalid(f"not an HTTP answer: {type(error).__name__}") from None

    def _unreachable(self, why: str) -> Refused:
        return Refused(
            "LOG_UNREACHABLE",
            f"the log at {self.url} was not reached: {why}",
            hint="check the address, and that trustlog serve runs there; asking again is safe",
        )


def _as_stream(body: bytes | AsyncIterator[bytes] | None) -> bytes | io.BytesIO | AsyncIterator[bytes] | None:
    """A large body is sent in pieces, so that nothing else has to wait for it."""
    return io.BytesIO(body) if isinstance(body, bytes) and len(body) > _READ_BYTES else body


def _why(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return (isinstance(cause, OSError) and cause.strerror) or str(cause) or type(cause).__name__


def _check_head(response: aiohttp.ClientResponse) -> None:
    if 300 <= response.status < 400:
        raise response_invalid("the log redirects, and redirects are not followed", found=response.status)
    if "Content-Encoding" in response.headers and not _is_for_now(response.status):
        raise response_invalid(
            "the answer is compressed, which was not asked for", found=response.headers["Content-Encoding"]
        )


async def _read_reply(response: aiohttp.ClientResponse, max_bytes: int) -> Reply:
    """The whole answer; any status but 200 and 201 raises what the problem document says."""
    good = response.status in {200, 201}
    bound = max_bytes if good else MAX_PROBLEM_BYTES
    body = b""
    async for chunk in response.content.iter_chunked(_READ_BYTES):
        body += chunk
        if len(body) > bound and _is_for_now(response.status):
            raise _not_the_log(response)
        if len(body) > bound:
            raise response_invalid(
                "the answer is too large", expected=f"at most {bound} bytes", found=f"status {response.status}"
            )
    if good:
        return Reply(response.status, response.content_type, body)
    raise _refusal_of(response, body)


def _refusal_of(response: aiohttp.ClientResponse, body: bytes) -> Refused:
    """What an answer that is not good says: the log's problem, or that the log itself said nothing."""
    if response.content_type == PROBLEM_TYPE:
        refusal = parse_problem(body, response.status, response.headers.get("Retry-After"))
        if refusal.code != "LOG_RESPONSE_INVALID" or not _is_for_now(response.status):
            return refusal
    if _is_for_now(response.status):
        return _not_the_log(response)
    if response.status == 404:  # a static server has no more to say
        return Refused("NOT_FOUND", "the log has no such resource", param="path", found=response.url.path)
    return response_invalid("an answer without a reason", expected=PROBLEM_TYPE, found=f"status {response.status}")


def _not_the_log(response: aiohttp.ClientResponse) -> Refused:
    """Somebody in front of the log answers: the log was not asked, and may say anything once it is."""
    return Refused(
        "LOG_UNREACHABLE",
        f"the log at {response.url.origin()} was not reached: status {response.status}, without a reason",
        param="log",
        expected=f"an answer of the log, or its {PROBLEM_TYPE}",
        found=f"status {response.status}, {response.content_type}",
        hint="look at the proxy in front of the log, and whether trustlog serve runs behind it; asking again is safe",
    )


def _is_for_now(status: int) -> bool:
    """Whether a status says nothing of the resource, but that asking again may go better."""
    return status >= 500 or status in {408, 425, 429}
