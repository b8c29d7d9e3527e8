"""A running log: the directory opened, one writer, many readers, and the follower that fills the derived index.

Who runs where: one event loop owns the queue and all waiting; one thread owns the write connections (:class:`Committer`,
payloads, trust reloads); a few threads read, and a few check submissions; one thread follows for the derived index. What they
share is immutable (:attr:`Log.published` is replaced as a whole) or guarded where it is defined.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final, ParamSpec, Self, TypeVar

from trustlog.errors import Refused, TrustlogError
from trustlog.formats.note import NoteSigner
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.limits import MAX_BLOB_BYTES
from trustlog.log.admission import Admitted, admit, check_size
from trustlog.log.commit import Committer, Logged, Result
from trustlog.log.directory import Configuration, LogDirectory
from trustlog.log.history import StoredHistory, replay_governance
from trustlog.log.progress import Progress
from trustlog.log.recovery import recover
from trustlog.log.sequencer import Sequencer
from trustlog.records.ledger import Ledger
from trustlog.storage.guard import Guard, SignedTree
from trustlog.storage.index import DerivedIndex
from trustlog.storage.lock import DirectoryLock
from trustlog.storage.log_reader import LogReader
from trustlog.storage.log_writer import LogWriter

_LOGGER = logging.getLogger(__name__)
_READER_THREADS: Final = 4
_FOLLOW_RETRY_S: Final = 1.0

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Store:
    """Everything that is open on the disk; closed in the opposite order."""

    def __init__(self, directory: LogDirectory) -> None:
        with ExitStack() as opened:
            lock = DirectoryLock.acquire(directory.lock_path)
            opened.callback(lock.release)
            self.guard = Guard.open(directory.guard_path)
            if self.guard is not None:
                opened.callback(self.guard.close)
            self.writer = LogWriter.open(directory.log_path)
            opened.callback(self.writer.close)
            self.reader = LogReader(directory.log_path)
            opened.callback(self.reader.close)
            self.index = DerivedIndex.open(directory.index_path, self.reader)
            opened.callback(self.index.close)
            self.close = opened.pop_all().close


class Log:
    """One log, open. Make it with :meth:`open`; its methods are called on the event loop that opened it."""

    def __init__(self, directory: LogDirectory, signer: NoteSigner, now_ns: Callable[[], int]) -> None:
        self.directory = directory
        self.configuration: Configuration = directory.read_configuration()
        self.trust: TrustPolicy = directory.read_trust()
        self.origin = signer.key.name
        self.vkey = signer.key.encode()
        self._now_ns = now_ns
        self._loop = asyncio.get_running_loop()
        self._store = _Store(directory)
        try:
            recovered = recover(self.reader, self._store.writer, self._store.guard, signer)
            self.published: SignedTree = recovered.published
            self.read_only: TrustlogError | None = recovered.read_only
            self._history = StoredHistory(self.reader)
            self._committer: Committer | None = None
            if self.read_only is None and self._store.guard is not None:
                self._committer = Committer(
                    signer=signer,
                    reader=self.reader,
                    writer=self._store.writer,
                    guard=self._store.guard,
                    history=self._history,
                    ledger=self._read_ledger(self.trust),
                    edge=recovered.edge,
                    signed=recovered.published,
                    publish=self._publish,
                )
        except BaseException:
            self._store.close()
            raise
        self.publication = Progress(self.published.size)
        self.indexing = Progress(min(self._store.index.complete_to, self.published.size))
        self._writing = ThreadPoolExecutor(1, "writer")
        self._reading = ThreadPoolExecutor(_READER_THREADS, "reader")
        self._admitting = ThreadPoolExecutor(os.cpu_count() or 1, "admission")
        self._following = ThreadPoolExecutor(1, "follower")
        self.sequencer = Sequencer(self._commit)
        self.writing = self.sequencer.start()
        self._follower = asyncio.create_task(self._follow(), name="follower")

    @classmethod
    async def open(cls, directory: LogDirectory, *, now_ns: Callable[[], int] = time.time_ns) -> Self:
        """Lock the directory, recover, and start writing and following.

        Raises TrustlogError: LOG_LOCKED, LOG_CORRUPT and the like; a log that may not be written is opened `read_only`.
        """
        return cls(directory, directory.read_signer(), now_ns)

    @property
    def reader(self) -> LogReader:
        """Read access to what is stored, from any thread."""
        return self._store.reader

    @property
    def index(self) -> DerivedIndex:
        """The derived index."""
        return self._store.index

    # Writing.

    async def submit(self, body: bytes) -> Logged:
        """Log one envelope. Raises TrustlogError; at once, if the queue is full."""
        (admitted,) = await self.admit([body])
        if isinstance(admitted, TrustlogError):
            raise admitted
        return await (await self.enqueue(admitted, wait_for_room=False))

    async def admit(self, bodies: Sequence[bytes]) -> list[Admitted | TrustlogError]:
        """Decide what can be decided about envelopes without the log, beside the event loop."""
        self.check_writable()
        now_ns = self._now_ns()
        return await self._loop.run_in_executor(self._admitting, _admit_all, bodies, self.origin, now_ns)

    async def enqueue(self, admitted: Admitted, *, wait_for_room: bool) -> asyncio.Future[Logged]:
        """Queue an admitted candidate; see :meth:`Sequencer.enqueue`."""
        self.check_writable()
        return await self.sequencer.enqueue(admitted, wait_for_room=wait_for_room)

    async def put_payload(self, data: bytes) -> tuple[bytes, bool]:
        """Store content under its SHA-256 (32 bytes), durably; the hash, and whether it was new."""
        self.check_writable()
        check_size(len(data), MAX_BLOB_BYTES)
        sha256 = hashlib.sha256(data).digest()
        return sha256, await self._loop.run_in_executor(self._writing, self._store.writer.put_blob, sha256, data)

    async def reload_trust(self) -> None:
        """Judge by what ``trust.toml`` says now. Raises Refused, and goes on with the old one, if it cannot be read."""
        trust = self.directory.read_trust()
        if self._committer is not None:
            await self._loop.run_in_executor(self._writing, self._replace_trust, trust)
        self.trust = trust

    def check_writable(self) -> None:
        """Raise Refused(LOG_READ_ONLY) if nothing may be written."""
        if self.read_only is not None:
            cause = self.read_only
            raise Refused(
                "LOG_READ_ONLY", f"{cause.code}: {cause.detail}", expected=cause.expected, found=cause.found, hint=cause.hint
            )

    # Reading.

    async def read(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call what reads the disk in a reader thread."""
        return await self._loop.run_in_executor(self._reading, lambda: function(*args, **kwargs))

    async def close(self) -> None:
        """Finish what is queued, then let go of everything."""
        await self.sequencer.stop()
        self._follower.cancel()
        await asyncio.wait([self._follower])
        for threads in (self._writing, self._reading, self._admitting, self._following):
            await asyncio.to_thread(threads.shutdown)
        self._store.close()

    # What runs in the background.

    async def _commit(self, batch: Sequence[Admitted]) -> list[Result]:
        assert self._committer is not None  # a read-only log admits nothing
        return await self._loop.run_in_executor(self._writing, self._committer.commit, batch)

    def _publish(self, tree: SignedTree) -> None:
        """Runs in the writer thread. Whoever asks for the checkpoint from now on gets this one."""
        self.published = tree
        self._loop.call_soon_threadsafe(self.publication.advance, tree.size)

    def _replace_trust(self, trust: TrustPolicy) -> None:
        assert self._committer is not None
        self._committer.replace_ledger(self._read_ledger(trust))

    def _read_ledger(self, trust: TrustPolicy) -> Ledger:
        ledger = Ledger(trust, self._history)
        replay_governance(ledger, self.reader, origin=self.origin, size=self.published.size)
        return ledger

    async def _follow(self) -> None:
        """Keep the derived index close behind what is published. Its failure is nobody else's."""
        while True:
            try:
                await self.publication.reached(self.indexing.value + 1)
                size = self.published.size
                done = await self._loop.run_in_executor(self._following, self.index.follow, self.reader, size)
                self.indexing.advance(done)
            except TrustlogError as error:
                _LOGGER.warning("the derived index fell behind: %s", error)
                await asyncio.sleep(_FOLLOW_RETRY_S)


def _admit_all(bodies: Sequence[bytes], origin: str, now_ns: int) -> list[Admitted | TrustlogError]:
    return [_admit_one(body, origin, now_ns) for body in bodies]


def _admit_one(body: bytes, origin: str, now_ns: int) -> Admitted | TrustlogError:
    try:
        return admit(body, origin=origin, now_ns=now_ns)
    except TrustlogError as refusal:
        return refusal
    except Exception:  # input that finds a defect of ours is refused, and the others of its batch go on
        _LOGGER.exception("admission failed")
        return TrustlogError("INTERNAL_ERROR", "this submission could not be judged")
