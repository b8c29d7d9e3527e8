"""One entry of the log, as a gate has read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.entry import Entry
from trustlog.merkle.hashing import hash_leaf
from trustlog.records.candidate import Candidate


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry as it was read. `candidate` is None while its payload is unread, unreadable, or the entry is void.

    `void` is the reason code of the rule that it breaks; ``PAYLOAD_UNREADABLE`` when the payload could not be had.
    """

    index: int
    data: bytes
    entry: Entry
    candidate: Candidate | None = None
    void: str | None = None
    payload_hash: str = field(init=False)  # how other records name it
    _leaf_hash: str = field(init=False, repr=False, compare=False, default="")

    def __post_init__(self) -> None:
        read = self.candidate
        object.__setattr__(
            self, "payload_hash", encode_b64u(self.entry.payload_hash) if read is None else read.payload_hash_b64u
        )

    @property
    def kind(self) -> str:
        """The record kind."""
        return self.entry.kind

    @property
    def refs(self) -> Any:
        """The entry's lookup keys."""
        return self.entry.refs

    @property
    def record(self) -> Any:
        """The payload's record; only for an entry that was read and is not void."""
        assert self.candidate is not None
        return self.candidate.record

    @property
    def leaf_hash_b64u(self) -> str:
        """The leaf hash, base64url; computed when it is first asked for, by each decision that lists the entry."""
        if not self._leaf_hash:
            object.__setattr__(self, "_leaf_hash", encode_b64u(hash_leaf(self.data)))
        return self._leaf_hash
