"""What clients are sending: how long each body may take, how much of all of them is in memory, how many batches there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.streams import StreamReader

from trustlog.errors import Refused
from trustlog.service.bounds import Bounds


class Uploads:
    """The bodies that one front end is reading. Lives on one event loop."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._batches = 0
        self._held = 0
        self._waiting: set[asyncio.Timeout] = set()
        self._stopping = False

    @property
    def held_bytes(self) -> int:
        """How much is in memory of bodies, and of lines, that have not come whole."""
        return self._held

    async def stop(self, _app: web.Application) -> None:
        """Wait for nobody any longer: a handler of the application's ``on_shutdown``."""
        self._stopping = True
        for patience in self._waiting:
            patience.reschedule(0)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Be one of the batches under way. Raises Refused(UNAVAILABLE) if there are too many."""
        if self._batches >= self.bounds.batches:
            raise Refused("UNAVAILABLE", "as many batches are under way as are taken at once", found=self._batches)
        self._batches += 1
        try:
            yield
        finally:
            self._batches -= 1

    @contextmanager
    def open(self, content: StreamReader) -> Iterator[Upload]:
        """A body, to be read within the bounds."""
        upload = Upload(self, content)
        try:
            yield upload
        finally:
            upload.hold(0)

    def count(self, change: int) -> None:
        """Count bytes that stay in memory, or that do so no longer. Raises Refused(UNAVAILABLE) if they are too many."""
        if change > 0 and self._held + change > self.bounds.body_bytes:
            raise Refused("UNAVAILABLE", "more is being sent than is taken at once", found=f"{self._held} bytes")
        self._held += change

    async def read(self, content: StreamReader, deadline: float) -> bytes:
        """What comes next, empty at the end. Raises Refused: ``REQUEST_TIMEOUT`` after `deadline`, UNAVAILABLE at a stop."""
        patience = asyncio.timeout_at(0 if self._stopping else deadline)
        try:
            async with patience:
                self._waiting.add(patience)
                return await content.readany()
        except TimeoutError:
            if self._stopping:
                raise Refused("UNAVAILABLE", "the log is stopping") from None
            raise too_slow("the body did not come in time", expected=self._pace()) from None
        finally:
            self._waiting.discard(patience)

    def _pace(self) -> str:
        return f"{self.bounds.body_s:g} s for a body or from line to line, and {self.bounds.rate} bytes a second"


class Upload:
    """One body that is being read. What it may take is :attr:`Bounds.body_s`, from the beginning and from each :meth:`renew`."""

    def __init__(self, uploads: Uploads, content: StreamReader) -> None:
        self._uploads = uploads
        self._content = content
        self._left_s = uploads.bounds.body_s
        self._held = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """What comes, as it comes. Only the time counts in which we wait for the client. Raises Refused."""
        loop, rate = asyncio.get_running_loop(), self._uploads.bounds.rate
        while not self._content.at_eof():
            if self._content.is_eof():  # all has come
                chunk = await self._content.readany()
            else:
                began = loop.time()
                chunk = await self._uploads.read(self._content, began + self._left_s)
                self._left_s += len(chunk) / rate - (loop.time() - began)
            if chunk:
                yield chunk

    def renew(self) -> None:
        """A whole line came: the next one gets its own time."""
        self._left_s = self._uploads.bounds.body_s

    def hold(self, byte_size: int) -> None:
        """So much of it is in memory now. Raises Refused(UNAVAILABLE) if that is too much, together with the others'."""
        self._uploads.count(byte_size - self._held)
        self._held = byte_size


def too_slow(detail: str, *, expected: str) -> Refused:
    """The refusal of a client that sends, or takes, too slowly."""
    return Refused("REQUEST_TIMEOUT", detail, expected=expected, found="less")
