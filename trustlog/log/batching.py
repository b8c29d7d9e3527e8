"""What front ends have offered and is not written yet, oldest first; and how much of it is a batch.

A batch closes as soon as the writer is free, with what has arrived by then, up to a bound. So a lone submitter never waits for
company, and under load the batches are as large as what arrives while the one before is written. Only where the last batch shows
that there is company, and little has arrived, does the writer wait for more: two milliseconds, less than the batch itself takes.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

import msgspec

from trustlog.log.channel import Channel
from trustlog.log.messages import Submit

MAX_BATCH_ENTRIES: Final = 1024  # four full tiles: some twenty milliseconds of work
MAX_BATCH_BYTES: Final = 32 * 1024 * 1024
GATHER_ENTRIES: Final = 512  # that wait: more are a batch worth its syncs in any case
GATHER_S: Final = 0.002


class Waiting(msgspec.Struct, frozen=True):
    """One message: who sent it, how large its offers are, and since when (:func:`time.monotonic`) it waits."""

    channel: Channel
    submit: Submit
    byte_size: int
    since: float


class Batching:
    """The queue of the one writer. Front ends bound what they have under way, so their number bounds it."""

    def __init__(self) -> None:
        self._queue: deque[Waiting] = deque()
        self._entries = 0
        self._last_batch = 1  # entries

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._queue

    def put(self, channel: Channel, submit: Submit) -> None:
        """Take one message, behind what waits."""
        byte_size = sum([offer.byte_size for offer in submit.offers])
        self._queue.append(Waiting(channel, submit, byte_size, time.monotonic()))
        self._entries += len(submit.offers)

    def gathering_s(self) -> float:
        """How long what waits, which is something, should still wait for more."""
        if self._last_batch == 1 or self._entries >= GATHER_ENTRIES:
            return 0.0
        return self._queue[0].since + GATHER_S - time.monotonic()

    def take(self) -> list[Waiting]:
        """What waits, oldest first, up to the bound of a batch: messages as they came, at least one."""
        batch: list[Waiting] = []
        entries = byte_size = 0
        while self._queue and (not batch or (entries < MAX_BATCH_ENTRIES and byte_size < MAX_BATCH_BYTES)):
            waiting = self._queue.popleft()
            batch.append(waiting)
            entries += len(waiting.submit.offers)
            byte_size += waiting.byte_size
        self._entries -= entries
        self._last_batch = entries
        return batch
