"""The sequencer: the one writer of a log. It takes what front ends offer, one batch at a time, and tells them what became of it.

It runs in a process of its own, or in a thread for whoever opens a log inside a program. Everything that it owns (the lock, the
key, the two databases' write connections, the ledger) is touched by that one thread. What is a batch, :mod:`trustlog.log.batching`
says; how it is written, :mod:`trustlog.log.commit`.
"""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections.abc import Callable
from typing import Final, Self

from trustlog.errors import Fatal, Refused, TrustlogError
from trustlog.formats.note import VerifierKey
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.log.batching import Batching
from trustlog.log.channel import Channel
from trustlog.log.commit import Committed, Committer
from trustlog.log.directory import LogDirectory
from trustlog.log.history import StoredHistory, replay_governance
from trustlog.log.messages import (
    Ended,
    FromWriter,
    Put,
    PutDone,
    Ready,
    State,
    Stop,
    Submit,
    encode_state,
    make_done,
    pack_outcome,
)
from trustlog.log.offer import Problem
from trustlog.log.recovery import recover
from trustlog.log.shared import Slot
from trustlog.log.store import Store
from trustlog.records.ledger import Ledger
from trustlog.storage.connection import StorageFailed
from trustlog.storage.guard import SignedTree

IDLE_S: Final = 1.0  # how often the store is looked after when nothing happens
KEEP_AFTER_S: Final = 0.05  # after which silence the newest checkpoint is kept: a lone submitter comes back sooner
SAVE_KEYS_EVERY: Final = 262_144  # entries: some fifty milliseconds once in twenty seconds of the highest load
SAVE_KEYS_LEAST: Final = 16_384  # entries, when there is time: fewer are read in no time
FAREWELL_S: Final = 2.0  # how long the last messages may take
STOP_S: Final = 30.0  # how long front ends may take to finish: some times what they give their clients

_LOGGER = logging.getLogger(__name__)


class Sequencer:
    """Make it with :meth:`open`, give it channels, and let a thread :meth:`run` it."""

    def __init__(self, directory: LogDirectory, state: Slot) -> None:
        """Lock the directory and recover. `state` is where everyone sees what is published. Raises TrustlogError."""
        signer = directory.read_signer()
        trust = _read_trust(directory, signer.key)
        self._key = signer.key
        self.origin = signer.key.name
        self.vkey = signer.key.encode()
        self._directory = directory
        self._state = state
        self._store = Store(directory)
        try:
            recovered = recover(self._store.reader, self._store.guard, signer)
            self._published = recovered.published
            self.read_only: TrustlogError | None = recovered.read_only
            self._committer: Committer | None = None
            if self.read_only is None and self._store.guard is not None:
                self._history = StoredHistory(self._store.reader, recovered.edge.size, directory.key_cache_path)
                self._committer = Committer(
                    signer=signer,
                    reader=self._store.reader,
                    writer=self._store.writer,
                    guard=self._store.guard,
                    history=self._history,
                    ledger=self._read_ledger(trust),
                    edge=recovered.edge,
                    signed=recovered.published,
                    publish=self._publish,
                )
        except BaseException:
            self._store.close()
            raise
        self._trouble: Problem | None = None
        self._selector = selectors.DefaultSelector()
        self._channels: list[Channel] = []
        self._queue = Batching()
        self._stop_by: float | None = None
        self._show()

    @classmethod
    def open(cls, directory: LogDirectory, state: Slot) -> Self:
        """The sequencer of the log in `directory`; a log that may not be written is opened `read_only`.

        Raises TrustlogError: LOG_LOCKED, LOG_CORRUPT and the like.
        """
        return cls(directory, state)

    def add_channel(self, connected: socket.socket, *, lost: Callable[[], None] = lambda: None) -> None:
        """Serve the front end at the other end of `connected`; `lost` is called, in the thread of :meth:`run`, when it is gone."""
        channel = Channel(connected, lost)
        self._channels.append(channel)
        self._selector.register(connected, selectors.EVENT_READ, lambda mask: self._serve(channel, mask))
        self._send(channel, Ready(self.origin, self.vkey, None if self.read_only is None else Problem.of(self.read_only)))

    def watch(self, descriptor: int, react: Callable[[], None]) -> None:
        """Call `react`, in the thread of :meth:`run`, whenever `descriptor` can be read."""
        self._selector.register(descriptor, selectors.EVENT_READ, lambda _mask: react())

    def unwatch(self, descriptor: int) -> None:
        """No longer, for instance because there is nothing but an end to read."""
        self._selector.unregister(descriptor)

    def stop(self, *, within_s: float = STOP_S) -> None:
        """Ask every front end to finish; :meth:`run` returns when all have, and fails if one has not within `within_s`.

        Called in its thread.
        """
        self._stop_by = time.monotonic() + within_s
        for channel in self._channels:
            self._send(channel, Stop())

    def reload_trust(self) -> bytes:
        """Judge by what ``trust.toml`` says now; its SHA-256. Raises Refused, and goes on with the old one, if it is unreadable."""
        trust = _read_trust(self._directory, self._key)
        if self._committer is not None:
            self._committer.replace_ledger(self._read_ledger(trust))
        return trust.sha256

    def run(self) -> None:
        """Serve until every front end has closed its channel. Raises Fatal, which all of them were told."""
        try:
            while self._channels or not self._queue.is_empty:
                self._turn()
        except Exception as error:
            fatal = error if isinstance(error, Fatal) else Fatal("INTERNAL_ERROR", f"the writer failed: {error!r}")
            self._say_farewell(fatal)
            raise fatal from error

    def close(self) -> None:
        """Let go of everything."""
        for channel in self._channels:
            channel.close()
        self._selector.close()
        try:
            if self._committer is not None:
                self._committer.keep_checkpoint()
                self._save_keys(SAVE_KEYS_LEAST)
        except StorageFailed as failure:
            _LOGGER.warning("the newest checkpoint is in guard.db only: %s", failure)
        finally:
            self._store.close()

    # One turn.

    def _turn(self) -> None:
        events = self._selector.select(self._patience_s())
        for key, mask in events:
            key.data(mask)
        if not self._queue.is_empty and self._queue.gathering_s() <= 0.0:
            self._commit()
        elif not events and self._queue.is_empty:
            self._look_after()
        if self._stop_by is not None and time.monotonic() > self._stop_by and self._channels:
            raise Fatal("INTERNAL_ERROR", "a front end did not finish when it was asked to; what it took may be unanswered")

    def _patience_s(self) -> float:
        """How long to wait for something to happen: hardly at all while entries wait."""
        if not self._queue.is_empty:
            return max(0.0, self._queue.gathering_s())
        is_kept = self._committer is None or self._committer.is_kept
        return IDLE_S if is_kept or self._trouble is not None else KEEP_AFTER_S

    def _serve(self, channel: Channel, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            channel.flush()
            self._await(channel)
        if mask & selectors.EVENT_READ:
            for message in channel.receive():
                if isinstance(message, Submit):
                    self._queue.put(channel, message)
                else:
                    self._put(channel, message)
        if not channel.is_open:
            self._drop(channel)

    def _commit(self) -> None:
        assert self._committer is not None  # the front ends of a read-only log offer nothing
        batch = self._queue.take()
        offers = [offer for waiting in batch for offer in waiting.submit.offers]
        try:
            committed = self._committer.commit(offers)
        except StorageFailed as failure:
            self._meet_trouble(failure)
            committed = Committed([failure] * len(offers), self._published, None)
        else:
            if committed.growth is not None:  # what only repeats the log, or is refused, says nothing of the store
                self._leave_trouble()
        packed = [pack_outcome(outcome) for outcome in committed.outcomes]
        answers: dict[Channel, list[tuple[int, list[int | Problem]]]] = {}
        start = 0
        for waiting in batch:
            end = start + len(waiting.submit.offers)
            answers.setdefault(waiting.channel, []).append((waiting.submit.number, packed[start:end]))
            start = end
        for channel, outcomes in answers.items():
            self._send(channel, make_done(committed, outcomes))
        self._save_keys(SAVE_KEYS_EVERY)

    def _put(self, channel: Channel, put: Put) -> None:
        try:
            self._store.writer.check_in_place()
            created = self._store.writer.put_blob(put.sha256, put.data)
        except StorageFailed as failure:
            self._meet_trouble(failure)
            self._send(channel, PutDone(put.number, created=False, problem=Problem.of(failure)))
        else:
            if created:
                self._leave_trouble()
            self._send(channel, PutDone(put.number, created=created))

    def _save_keys(self, least: int) -> None:
        """Spare the next start the keys of what was logged since they were saved last, if it is as much as `least`."""
        size, root = self._published.size, self._published.root
        if self._committer is not None and size - self._history.saved_to >= least:
            try:
                self._history.save(size, root)
            except StorageFailed as failure:
                _LOGGER.warning("the next start takes longer: %s", failure)
                self._history.saved_to = size  # not again at once

    # The state that everyone sees.

    def _publish(self, tree: SignedTree) -> None:
        self._published = tree
        self._show()

    def _show(self) -> None:
        tree = self._published
        self._state.write(encode_state(State(tree.size, tree.root, tree.note, self._trouble)))

    def _meet_trouble(self, failure: TrustlogError) -> None:
        """Say once what keeps the log from taking entries, and show it to whoever asks whether it is ready."""
        if self._trouble is None or self._trouble.code != failure.code:
            _LOGGER.error("nothing can be written: %s; %s", failure, failure.hint)
        self._trouble = Problem.of(failure)
        self._show()

    def _leave_trouble(self) -> None:
        if self._trouble is not None:
            _LOGGER.warning("the log takes entries again")
            self._trouble = None
            self._show()

    def _look_after(self) -> None:
        """Nothing happens: keep the newest checkpoint, and see whether the store is still there, and whether trouble is over."""
        if self._committer is None:
            return
        try:
            self._committer.check_in_place()
            self._committer.keep_checkpoint()
            self._save_keys(SAVE_KEYS_LEAST)
            if self._trouble is not None:
                self._store.writer.prove_writable()
        except StorageFailed as failure:
            self._meet_trouble(failure)
        else:
            self._leave_trouble()

    # Channels.

    def _send(self, channel: Channel, message: FromWriter) -> None:
        channel.send(message)
        self._await(channel)

    def _await(self, channel: Channel) -> None:
        """Be told when a front end can be sent the rest."""
        if channel in self._channels:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.has_unsent else 0)
            key = self._selector.get_key(channel.socket)
            if key.events != events:
                self._selector.modify(channel.socket, events, key.data)

    def _drop(self, channel: Channel) -> None:
        """The front end is gone. What it offered before is logged all the same."""
        if channel in self._channels:
            self._channels.remove(channel)
            self._selector.unregister(channel.socket)
            channel.close()
            channel.lost()

    def _say_farewell(self, fatal: Fatal) -> None:
        """To each at once: one that does not read must not keep it from the others."""
        deadline = time.monotonic() + FAREWELL_S
        for channel in self._channels:
            channel.send(Ended(Problem.of(fatal)))
        while any(channel.has_unsent for channel in self._channels) and time.monotonic() < deadline:
            time.sleep(0.01)
            for channel in self._channels:
                channel.flush()

    def _read_ledger(self, trust: TrustPolicy) -> Ledger:
        ledger = Ledger(trust, self._history)
        replay_governance(ledger, self._store.reader, origin=self.origin, size=self._published.size)
        return ledger


def _read_trust(directory: LogDirectory, key: VerifierKey) -> TrustPolicy:
    """What ``trust.toml`` says, if it is a trust policy for the log with this key. Raises Refused."""
    trust = directory.read_trust()
    if key not in trust.log_keys:
        detail = "trust.toml is the trust policy of another log"
        found = ", ".join(known.encode() for known in trust.log_keys)
        raise Refused("TRUST_POLICY_INVALID", detail, param="log.policy", expected=key.encode(), found=found)
    return trust
