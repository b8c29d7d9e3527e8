"""A front end's end of the channel to the writer: what is under way is bounded, and everything ends in an answer or a refusal."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

import msgspec

from trustlog.errors import Refused, TrustlogError
from trustlog.log.commit import Outcome
from trustlog.log.messages import (
    FROM_WRITER,
    Done,
    Ended,
    FromWriter,
    Put,
    PutDone,
    Ready,
    Submit,
    ToWriter,
    encode_message,
    take_messages,
    unpack_outcome,
)
from trustlog.log.offer import Offer
from trustlog.merkle.growth import Growth
from trustlog.storage.guard import SignedTree

MAX_OPEN_ENTRIES: Final = 8192  # under a second of work: who waits longer is better told so
MAX_OPEN_BYTES: Final = 64 * 1024 * 1024  # eight of the largest bundles
STREAMS_SHARE: Final = 0.75  # of this, for those who wait: so that they leave room for those who would be turned away
MAX_UNSENT_BYTES: Final = 32 * 1024  # of small messages, before they go out
_TOO_MUCH: Final = "more is under way than the log takes at once"


class Batch:
    """What the writer said of one batch: shared by all who had a part in it."""

    def __init__(self, done: Done) -> None:
        self._done = done
        self.tree: SignedTree = done.tree
        self.old_size = done.old_size  # of the tree before it

    @cached_property
    def growth(self) -> Growth | None:
        """What the batch added to the tree, if anything: it has the proofs of the entries that are new."""
        return self._done.growth


class Submitted(msgspec.Struct, frozen=True):
    """What became of the offers of one submission, in their order."""

    offers: Sequence[Offer]
    outcomes: Sequence[Outcome]
    batch: Batch


@dataclass(slots=True)
class _Open:
    offers: Sequence[Offer]
    byte_size: int
    answer: asyncio.Future[Submitted]


@dataclass(slots=True)
class _OpenPut:
    byte_size: int
    answer: asyncio.Future[bool]


class WriterLink(asyncio.Protocol):
    """The connection to the writer. Lives on one event loop."""

    def __init__(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[Ready] = loop.create_future()
        self.stopping: asyncio.Future[None] = loop.create_future()  # the writer asked to finish, or is gone
        self.closed: asyncio.Future[None] = loop.create_future()
        self.ended: TrustlogError | None = None  # why nothing will be answered any more
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._unsent: list[bytes] = []  # messages of this turn of the loop
        self._unsent_bytes = 0
        self._numbers = 0
        self._open: dict[int, _Open] = {}
        self._puts: dict[int, _OpenPut] = {}
        self._open_entries = 0
        self._open_bytes = 0
        self._waiting_for_room: dict[asyncio.Future[None], None] = {}
        self._turn = asyncio.Lock()  # for room, first come, first served: or small chunks would keep out large ones

    @classmethod
    async def connect(cls, connected: socket.socket) -> WriterLink:
        """Over one end of a pair of sockets."""
        _, link = await asyncio.get_running_loop().create_unix_connection(cls, sock=connected)
        return link

    @property
    def open_entries(self) -> int:
        """How many entries are under way."""
        return self._open_entries

    def submit_at_once(self, offers: Sequence[Offer]) -> asyncio.Future[Submitted]:
        """Offer entries to the writer; the future holds what became of them once they are published.

        A caller that goes away may cancel the future: the entries are logged all the same. Raises Refused(UNAVAILABLE) when too
        much is under way, or when the writer has ended.
        """
        self._check_open()
        byte_size = sum([offer.byte_size for offer in offers])
        if not self._has_room(len(offers), byte_size, 1.0):
            raise _unavailable(_TOO_MUCH)
        return self._submit(offers, byte_size)

    async def submit(self, offers: Sequence[Offer]) -> asyncio.Future[Submitted]:
        """The same as soon as there is room."""
        byte_size = sum([offer.byte_size for offer in offers])
        async with self._turn:
            while not self._has_room(len(offers), byte_size, STREAMS_SHARE):
                self._check_open()
                await self._room()
            self._check_open()
            return self._submit(offers, byte_size)

    def _submit(self, offers: Sequence[Offer], byte_size: int) -> asyncio.Future[Submitted]:
        answer: asyncio.Future[Submitted] = self._loop.create_future()
        self._numbers += 1
        self._open[self._numbers] = _Open(offers, byte_size, answer)
        self._open_entries += len(offers)
        self._open_bytes += byte_size
        self._send(Submit(self._numbers, offers))
        return answer

    async def put(self, sha256: bytes, data: bytes) -> bool:
        """Store content under its SHA-256; whether it was new. Raises TrustlogError: UNAVAILABLE when too much is under way."""
        self._check_open()
        if not self._has_room(0, len(data), 1.0):
            raise _unavailable(_TOO_MUCH)
        answer: asyncio.Future[bool] = self._loop.create_future()
        self._numbers += 1
        self._puts[self._numbers] = _OpenPut(len(data), answer)
        self._open_bytes += len(data)
        self._send(Put(self._numbers, sha256, data))
        return await answer

    async def finish(self) -> None:
        """Wait for what is under way, then tell the writer that nothing more will come."""
        if waiting := self._answers():
            await asyncio.wait(waiting)
        if self._transport is not None:
            self._transport.close()
        await self.closed

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast("asyncio.Transport", transport)  # what a socket's is; other loops' are no subclass of it

    def data_received(self, data: bytes) -> None:
        """A part of a message, or several."""
        self._received += data
        for body in take_messages(self._received):
            self._take(FROM_WRITER.decode(body))

    def connection_lost(self, exc: Exception | None) -> None:
        """The writer is gone, or we closed."""
        self._end(self.ended or Refused("UNAVAILABLE", "the log is stopping"))
        if not self.closed.done():
            self.closed.set_result(None)

    # What the writer says.

    def _take(self, message: FromWriter) -> None:
        if isinstance(message, Done):
            batch = Batch(message)
            for number, outcomes in message.outcomes:
                self._answer(
                    number, Submitted(self._open[number].offers, [unpack_outcome(each) for each in outcomes], batch)
                )
            self._make_room()
        elif isinstance(message, PutDone):
            self._answer_put(message)
        elif isinstance(message, Ready):
            self.ready.set_result(message)
        elif isinstance(message, Ended):
            self._end(message.problem.error())
        elif not self.stopping.done():
            self.stopping.set_result(None)

    def _answer(self, number: int, submitted: Submitted) -> None:
        opened = self._open.pop(number)
        self._open_entries -= len(opened.offers)
        self._open_bytes -= opened.byte_size
        if not opened.answer.done():  # else its caller went away
            opened.answer.set_result(submitted)

    def _answer_put(self, message: PutDone) -> None:
        opened = self._puts.pop(message.number)
        self._open_bytes -= opened.byte_size
        if opened.answer.done():
            pass  # its caller went away
        elif message.problem is not None:
            opened.answer.set_exception(message.problem.error())
        else:
            opened.answer.set_result(message.created)
        self._make_room()

    def _answers(self) -> list[asyncio.Future[Any]]:
        """Of all that is under way."""
        submitted: list[asyncio.Future[Any]] = [opened.answer for opened in self._open.values()]
        return submitted + [opened.answer for opened in self._puts.values()]

    def _end(self, why: TrustlogError) -> None:
        """Nobody gets an answer any more. What was under way may be in the log: the next start decides."""
        self.ended = self.ended or why
        refusal = _unavailable("the log stopped before it could answer; submit again", found=self.ended.code)
        for future in self._answers():
            if not future.done():
                future.set_exception(refusal)
                future.exception()  # whoever waited may be gone: then nobody asks
        self._open.clear()
        self._puts.clear()
        self._open_entries = self._open_bytes = 0
        self._make_room()
        if not self.stopping.done():
            self.stopping.set_result(None)
        if not self.ready.done():
            self.ready.set_exception(self.ended)
            self.ready.exception()

    # Room.

    def _has_room(self, entries: int, byte_size: int, share: float) -> bool:
        """What is alone always has room: its size was checked before."""
        return not (self._open or self._puts) or (
            self._open_entries + entries <= MAX_OPEN_ENTRIES * share
            and self._open_bytes + byte_size <= MAX_OPEN_BYTES * share
        )

    async def _room(self) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting_for_room[future] = None
        try:
            await future
        finally:
            del self._waiting_for_room[future]

    def _make_room(self) -> None:
        for future in self._waiting_for_room:
            if not future.done():
                future.set_result(None)

    def _check_open(self) -> None:
        if self.ended is not None or self._transport is None or self._transport.is_closing():
            raise _unavailable("the log is stopping", found=None if self.ended is None else self.ended.code)

    def _send(self, message: ToWriter) -> None:
        """Send with all that this turn of the loop still brings: each write wakes the writer, and costs more than the message."""
        encoded = encode_message(message)
        self._unsent.append(encoded)
        self._unsent_bytes += len(encoded)
        if self._unsent_bytes > MAX_UNSENT_BYTES:
            self._flush()
        elif len(self._unsent) == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._unsent:
            assert self._transport is not None
            if not self._transport.is_closing():  # else whoever waits for an answer has been told so, or will be
                self._transport.writelines(self._unsent)
            self._unsent = []
            self._unsent_bytes = 0


def _unavailable(detail: str, *, found: str | None = None) -> Refused:
    return Refused("UNAVAILABLE", detail, found=found)
