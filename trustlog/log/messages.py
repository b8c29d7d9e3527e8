"""What front ends and the one writer say to each other, over a socket between processes or threads.

Each message is MessagePack after its length, four bytes, big-endian. Both sides are this program: nothing here is a format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from trustlog.errors import TrustlogError
from trustlog.log.commit import Committed, Outcome, Place
from trustlog.log.offer import Offer, Problem
from trustlog.merkle.growth import Growth
from trustlog.merkle.hashing import split_hashes
from trustlog.storage.guard import SignedTree

MAX_MESSAGE_BYTES: Final = 1 << 30


class State(msgspec.Struct, frozen=True, array_like=True):
    """What is published, in shared memory: the tree, its checkpoint, and what keeps the log from taking more, if anything."""

    size: int
    root: bytes
    note: bytes
    trouble: Problem | None = None

    @property
    def tree(self) -> SignedTree:
        """The published tree."""
        return SignedTree(self.size, self.root, self.note)


# From a front end.


class Submit(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Log these, in one batch; `number` comes back with the outcomes."""

    number: int
    offers: Sequence[Offer]


class Put(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Store content under its SHA-256."""

    number: int
    sha256: bytes
    data: bytes


# From the writer.


class Ready(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The log is open: begin."""

    origin: str
    vkey: str
    read_only: Problem | None


class Done(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A batch is published (or nothing of it is logged).

    `outcomes` are those of the Submit messages of this front end, by number: an index, its complement (``~index``) for what was
    logged before, or a problem. The rest is the :class:`~trustlog.merkle.growth.Growth`; its rows are concatenated hashes.
    """

    outcomes: list[tuple[int, list[int | Problem]]]
    size: int
    root: bytes
    note: bytes
    old_size: int
    starts: Sequence[int]
    rows: Sequence[bytes]

    @property
    def tree(self) -> SignedTree:
        """The tree that the proofs lead to."""
        return SignedTree(self.size, self.root, self.note)

    @property
    def growth(self) -> Growth | None:
        """What the batch added to the tree, if anything."""
        if not self.rows:
            return None
        return Growth(self.old_size, self.size, tuple(self.starts), tuple(split_hashes(row) for row in self.rows))


class PutDone(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The content is stored (`created`: it was not before), or why not."""

    number: int
    created: bool
    problem: Problem | None = None


class Stop(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Take no more requests, finish those under way, and close the channel."""


class Ended(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """The writer had to end: nothing that is still open will be answered."""

    problem: Problem


ToWriter: TypeAlias = Submit | Put
FromWriter: TypeAlias = Ready | Done | PutDone | Stop | Ended

_ENCODER: Final = msgspec.msgpack.Encoder()
TO_WRITER: Final = msgspec.msgpack.Decoder(ToWriter)
FROM_WRITER: Final = msgspec.msgpack.Decoder(FromWriter)
STATE: Final = msgspec.msgpack.Decoder(State)


def encode_message(message: ToWriter | FromWriter) -> bytes:
    """A message with its length before it."""
    body = _ENCODER.encode(message)
    assert len(body) <= MAX_MESSAGE_BYTES
    return len(body).to_bytes(4, "big") + body


def encode_state(state: State) -> bytes:
    """The record for shared memory."""
    return _ENCODER.encode(state)


def take_messages(received: bytearray) -> Iterator[bytes]:
    """The bodies of the messages that came whole; they are removed from `received`."""
    offset = 0
    while len(received) - offset >= 4:
        end = offset + 4 + int.from_bytes(received[offset : offset + 4], "big")
        if end > len(received):
            break
        yield bytes(received[offset + 4 : end])
        offset = end
    del received[:offset]


def make_done(committed: Committed, outcomes: list[tuple[int, list[int | Problem]]]) -> Done:
    """The message about a batch to one of the front ends that were part of it."""
    tree, growth = committed.tree, committed.growth
    if growth is None:
        return Done(outcomes, tree.size, tree.root, tree.note, tree.size, [], [])
    rows = [b"".join(row) for row in growth.rows]
    return Done(outcomes, tree.size, tree.root, tree.note, growth.old_size, growth.starts, rows)


def pack_outcome(outcome: Outcome) -> int | Problem:
    """An outcome as it travels."""
    if isinstance(outcome, TrustlogError):
        return Problem.of(outcome)
    return ~outcome.index if outcome.already_logged else outcome.index


def unpack_outcome(packed: int | Problem) -> Outcome:
    """An outcome as it was."""
    if isinstance(packed, Problem):
        return packed.error()
    return Place(~packed, already_logged=True) if packed < 0 else Place(packed, already_logged=False)
