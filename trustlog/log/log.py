"""A log as a front end has it: read access, admission, and a link to the one writer.

Who runs where: the :class:`~trustlog.log.sequencer.Sequencer` is one thread, in a process of its own when the log is served, and
beside the caller when it is opened inside a program (:meth:`Log.open`). A front end is one event loop; admission happens on it,
in short slices, and so does reading what is small. A thread, or a process, follows for the derived index.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final, ParamSpec, Self, TypeVar

from trustlog.errors import Refused, TrustlogError
from trustlog.limits import MAX_BLOB_BYTES
from trustlog.log.admission import admit, check_size
from trustlog.log.directory import Configuration, LogDirectory
from trustlog.log.following import follow
from trustlog.log.link import Submitted, WriterLink
from trustlog.log.messages import STATE, Ready, State
from trustlog.log.offer import Offer, Problem, make_offer
from trustlog.log.sequencer import Sequencer
from trustlog.log.shared import SharedSlots, Slot
from trustlog.log.verified import VerifiedReader
from trustlog.storage.guard import SignedTree
from trustlog.storage.index import DerivedIndex
from trustlog.storage.index_reader import IndexReader
from trustlog.storage.log_reader import LogReader

ADMISSION_SLICE: Final = 16  # envelopes that are checked before others get their turn: one or two milliseconds
_READER_THREADS: Final = 2  # for what is not small: evidence packs, long lists
_INDEX_POLL_S: Final = 0.01

_LOGGER = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Indexing:
    """How far the derived index has come, and waiting for it."""

    def __init__(self, index: IndexReader) -> None:
        self._index = index

    @property
    def value(self) -> int:
        """Every entry below this index can be found."""
        return self._index.complete_to

    async def reached(self, value: int, timeout_s: float) -> bool:
        """Wait until it has come as far as `value`, at most `timeout_s`; whether it has."""
        deadline = time.monotonic() + timeout_s
        while self.value < value:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_INDEX_POLL_S)
        return True


class Log:
    """One log, open. Its methods are called on the event loop that opened it."""

    def __init__(
        self,
        directory: LogDirectory,
        link: WriterLink,
        ready: Ready,
        state: Slot,
        *,
        beside: _Beside | None,
        now_ns: Callable[[], int],
    ) -> None:
        """Use :meth:`open` or :meth:`attach`."""
        self.directory = directory
        self.configuration: Configuration = directory.read_configuration()
        self.origin = ready.origin
        self.vkey = ready.vkey
        self.read_only: TrustlogError | None = None if ready.read_only is None else ready.read_only.error()
        self.reader = LogReader(directory.log_path)
        self.verified = VerifiedReader(self.reader)
        self.index = DerivedIndex.open_reader(directory.index_path, self.reader)
        self.indexing = Indexing(self.index)
        self.link = link
        self._now_ns = now_ns
        self._state = state
        self._record = b""
        self._seen: State | None = None
        self._reading = ThreadPoolExecutor(_READER_THREADS, "reader")
        self._beside = beside

    @classmethod
    async def open(cls, directory: LogDirectory, *, now_ns: Callable[[], int] = time.time_ns) -> Self:
        """Open a log inside this program: its writer and its follower become threads.

        Raises TrustlogError: LOG_LOCKED, LOG_CORRUPT and the like; a log that may not be written is opened `read_only`.
        """
        state = SharedSlots(1).slot(0)
        ours, theirs = socket.socketpair()
        try:
            beside = _Beside(directory, state, theirs)
        except BaseException:
            ours.close()
            theirs.close()
            raise
        return await cls.attach(directory, ours, state, beside=beside, now_ns=now_ns)

    @classmethod
    async def attach(
        cls,
        directory: LogDirectory,
        connected: socket.socket,
        state: Slot,
        *,
        beside: _Beside | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> Self:
        """A front end of a log whose writer is at the other end of `connected` and shows its `state`."""
        link = await WriterLink.connect(connected)
        ready = await link.ready
        return cls(directory, link, ready, state, beside=beside, now_ns=now_ns)

    # What is published.

    @property
    def published(self) -> SignedTree:
        """The newest published tree: whatever was answered anywhere before this is under it."""
        return self._current().tree

    @property
    def trouble(self) -> Problem | None:
        """What keeps the log from taking entries at the moment, if anything."""
        return self._current().trouble

    def _current(self) -> State:
        record = self._state.read()
        if self._seen is None or record is not self._record:
            self._record, self._seen = record, STATE.decode(record)
        return self._seen

    # Writing.

    async def submit(self, body: bytes) -> Submitted:
        """Log one envelope; what became of it. Raises TrustlogError; at once, if too much is under way."""
        self.check_writable()
        offer = self._admit(body)
        if isinstance(offer, TrustlogError):
            raise offer
        return await self.link.submit_at_once([offer])

    async def admit(self, bodies: Sequence[bytes | Refused]) -> list[Offer | TrustlogError]:
        """Decide what can be decided about envelopes without the log; others get their turn in between.

        What was refused before stays refused.
        """
        admitted: list[Offer | TrustlogError] = []
        for start in range(0, len(bodies), ADMISSION_SLICE):
            if start:
                await asyncio.sleep(0)
            admitted += map(self._admit, bodies[start : start + ADMISSION_SLICE])
        return admitted

    async def offer(self, offers: Sequence[Offer]) -> asyncio.Future[Submitted]:
        """Hand admitted envelopes to the writer as soon as there is room; see :meth:`WriterLink.submit`."""
        self.check_writable()
        return await self.link.submit(offers)

    async def put_payload(self, data: bytes) -> tuple[bytes, bool]:
        """Store content under its SHA-256 (32 bytes), durably; the hash, and whether it was new."""
        self.check_writable()
        check_size(len(data), MAX_BLOB_BYTES)
        sha256 = hashlib.sha256(data).digest()
        return sha256, await self.link.put(sha256, data)

    def check_writable(self) -> None:
        """Raise Refused(LOG_READ_ONLY) if nothing may be written."""
        if self.read_only is not None:
            cause = self.read_only
            raise Refused(
                "LOG_READ_ONLY", f"{cause.code}: {cause.detail}", expected=cause.expected, found=cause.found, hint=cause.hint
            )

    def _admit(self, body: bytes | Refused) -> Offer | TrustlogError:
        if isinstance(body, Refused):
            return body
        try:
            return make_offer(admit(body, origin=self.origin, now_ns=self._now_ns()))
        except TrustlogError as refusal:
            return refusal
        except Exception:  # input that finds a defect of ours is refused, and the others of its batch go on
            _LOGGER.exception("admission failed")
            return TrustlogError("INTERNAL_ERROR", "this submission could not be judged")

    async def reload_trust(self) -> None:
        """Judge by what ``trust.toml`` says now. Raises Refused, and goes on with the old one, if it cannot be read.

        Only where the writer is beside; a server's first process does it when told by a signal.
        """
        assert self._beside is not None
        await asyncio.to_thread(self._beside.reload_trust)

    # Reading, and the end.

    async def read(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call what reads much in a thread. What is small (a tile, a proof, an entry) is read where it is asked for."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, lambda: function(*args, **kwargs))

    async def close(self) -> None:
        """Finish what is under way, then let go of everything."""
        await self.link.finish()
        if self._beside is not None:
            await asyncio.to_thread(self._beside.close)
        await asyncio.to_thread(self._reading.shutdown)
        self.index.close()
        self.reader.close()


class _Beside:
    """A writer and a follower in threads of this process."""

    def __init__(self, directory: LogDirectory, state: Slot, connected: socket.socket) -> None:
        self._sequencer = Sequencer.open(directory, state)
        self._reader = LogReader(directory.log_path)
        try:
            self._index = DerivedIndex.open(directory.index_path, self._reader)
        except BaseException:
            self._reader.close()
            self._sequencer.close()
            raise
        self._sequencer.add_channel(connected)
        self._requests, self._heard = socket.socketpair()
        self._reloading: SimpleQueue[Future[bytes]] = SimpleQueue()
        self._sequencer.watch(self._heard.fileno(), self._reload)
        self._stop = threading.Event()
        self._writing = threading.Thread(target=self._write, name="writer")
        self._following = threading.Thread(target=self._follow, args=(state,), name="follower")
        self._writing.start()
        self._following.start()

    def reload_trust(self) -> None:
        """Have the writer do it, and wait. Raises Refused, also where the writer has ended."""
        if not self._writing.is_alive():
            raise Refused("UNAVAILABLE", "the writer has ended")
        done: Future[bytes] = Future()
        self._reloading.put(done)
        self._requests.send(b".")
        done.result()

    def close(self) -> None:
        """Wait for both."""
        self._stop.set()
        self._writing.join()
        self._following.join()
        self._index.close()
        self._reader.close()
        self._sequencer.close()
        self._requests.close()
        self._heard.close()

    def _reload(self) -> None:
        self._heard.recv(1)
        done = self._reloading.get()
        try:
            done.set_result(self._sequencer.reload_trust())
        except Exception as error:  # noqa: BLE001 - raised again by who asked
            done.set_exception(error)

    def _follow(self, state: Slot) -> None:
        follow(self._reader, self._index, lambda: STATE.decode(state.read()).size, stopped=self._stop.is_set)

    def _write(self) -> None:
        try:
            self._sequencer.run()
        except TrustlogError as fatal:
            _LOGGER.error("the writer ended: %s", fatal)  # noqa: TRY400 - a message, not a defect's traceback
