"""Reading request bodies within bounds: whole, or line by line."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from aiohttp import web

from trustlog.errors import Refused
from trustlog.log.admission import check_size
from trustlog.service.context import UPLOADS

SMALL_BYTES: Final = 16 * 1024


def check_plain(request: web.Request) -> None:
    """Refuse an encoded body: nothing here expands what a stranger sent."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise Refused(
            "CONTENT_TYPE_UNSUPPORTED",
            "bodies are sent as they are",
            param="Content-Encoding",
            expected="identity",
            found=encoding,
        )


async def read_body(request: web.Request, most: int) -> bytes:
    """The whole body, of at most `most` bytes.

    Raises Refused: BODY_TOO_LARGE as soon as that is clear, REQUEST_TIMEOUT, UNAVAILABLE where bodies fill what memory they may.
    """
    check_plain(request)
    check_size(request.content_length or 0, most)
    if request.content.is_eof() and request.content.total_bytes <= SMALL_BYTES <= most:
        return request.content.read_nowait()  # it came whole with its head: there is nobody to wait for, and little to hold
    body = bytearray()
    with request.app[UPLOADS].open(request.content) as upload:
        async for chunk in upload.chunks():
            body += chunk
            check_size(len(body), most)
            upload.hold(len(body))
    return bytes(body)


async def read_lines(request: web.Request, most: int) -> AsyncGenerator[list[bytes | Refused], None]:
    """The lines of the body, without their LF, as they arrive: every item is what one read brought, and is not empty.

    A line of more than `most` bytes is dropped as it comes and stands as a refusal in its place. A last line without LF counts
    if the body ended as its headers said; of an upload that broke off it is dropped. Raises as :func:`read_body` does, for the
    rest of the body.
    """
    check_plain(request)
    line = bytearray()  # the beginning of the line that has not ended yet
    too_long = False
    with request.app[UPLOADS].open(request.content) as upload:
        async for chunk in upload.chunks():
            *ended, rest = chunk.split(b"\n")
            lines: list[bytes | Refused] = [piece if len(piece) <= most else _too_long(most) for piece in ended]
            if ended:
                if line or too_long:
                    line += ended[0]
                    lines[0] = _too_long(most) if too_long or len(line) > most else bytes(line)
                line.clear()
                too_long = False
            line += rest
            if len(line) > most:
                line.clear()
                too_long = True
            upload.hold(len(line))
            if lines:
                upload.renew()
                yield lines
    if line or too_long:
        yield [_too_long(most) if too_long else bytes(line)]


def _too_long(most: int) -> Refused:
    return Refused(
        "BODY_TOO_LARGE", "the line is too long", param="line", expected=f"{most} bytes at most", found=f"over {most}"
    )
