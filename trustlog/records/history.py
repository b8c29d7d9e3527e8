"""What the ledger may know: what is being judged, which keys are held, by which entry, and the entries themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from trustlog.records.kind import Claim, Kind

Row = tuple[bytes, bytes]  # a 32-byte key and its 32-byte value, to be stored with the entry's index
HELD: Final = bytes(32)  # the value of a key that only says "there is one"


class Held(msgspec.Struct, frozen=True, gc=False):
    """Who holds a key: its 32-byte value, and the index of the entry that took it."""

    value: bytes
    index: int


class Judged(Protocol):
    """What the ledger judges: a :class:`~trustlog.records.candidate.Candidate`, or what stands for one.

    `record` is asked for only where a rule needs it, so it may be read then.
    """

    @property
    def kind(self) -> Kind:
        """The record kind."""
        ...

    @property
    def signer_did(self) -> str:
        """Who signed."""
        ...

    @property
    def payload_hash_b64u(self) -> str:
        """How other records name it."""
        ...

    @property
    def record(self) -> Any:
        """The kind's record object."""
        ...

    @property
    def identity(self) -> bytes:
        """The 32-byte key under which the same thing is found."""
        ...

    @property
    def claims(self) -> Sequence[Claim]:
        """Its conflict keys."""
        ...


class History(Protocol):
    """What the log holds below the index being judged."""

    def held(self, key: bytes) -> Held | None:
        """The holder of a 32-byte key."""
        ...

    def entry(self, index: int) -> bytes | None:
        """The entry at an index."""
        ...


class MemoryHistory:
    """A reader's history: everything in memory."""

    def __init__(self) -> None:
        self._keys: dict[bytes, Held] = {}
        self._entries: dict[int, bytes] = {}

    def held(self, key: bytes) -> Held | None:
        """The holder of a 32-byte key."""
        return self._keys.get(key)

    def entry(self, index: int) -> bytes | None:
        """The entry at an index."""
        return self._entries.get(index)

    def add(self, index: int, entry: bytes, rows: list[Row]) -> None:
        """Remember an entry and the keys it took."""
        self._entries[index] = entry
        for key, value in rows:
            self._keys.setdefault(key, Held(value, index))
