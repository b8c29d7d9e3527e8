"""Payloads that are not there: erased under a tombstone, or lost.

A tombstone explains the absence of receipts and bundles, nothing else, and only if it was logged validly. It is judged here again
at its own index, by the rules that its submitter met.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trustlog.errors import Refused, TrustlogError
from trustlog.formats.base64 import decode_b64u
from trustlog.formats.entry import Entry
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.log.history import StoredHistory, replay_governance
from trustlog.records.candidate import Candidate, read_logged
from trustlog.records.kinds import KINDS
from trustlog.records.ledger import Held, Ledger
from trustlog.storage.log_reader import LogReader

_HASH_BYTES: Final = 32
_NO_CACHE: Final = Path(os.devnull)


@dataclass(frozen=True, slots=True)
class Lost:
    """Payloads that nothing explains: how many entries lack theirs, and the lowest of them with its kind."""

    count: int
    first: int
    kind: str

    def say(self) -> str:
        """Which, in words."""
        others = f", and of {self.count - 1} more entries" if self.count > 1 else ""
        return f"the payload of entry {self.first} ({self.kind}){others}"


class Absences:
    """What a reading of all entries, in order, says of absent payloads, in few bytes an entry: any number may be absent."""

    def __init__(self) -> None:
        self._kinds: list[str] = []
        self._absent = array("Q")  # indexes
        self._kind_of = array("B")  # places in _kinds
        self._hashes = bytearray()
        self._tombstones = array("Q")

    def add(self, index: int, entry: Entry, payload: bytes | None) -> None:
        """The next entry, with its payload if that is there."""
        if entry.kind == "tombstone" and payload is not None:
            self._tombstones.append(index)
        if payload is None:
            if entry.kind not in self._kinds:
                self._kinds.append(entry.kind)
            self._absent.append(index)
            self._kind_of.append(self._kinds.index(entry.kind))
            self._hashes += entry.payload_hash

    @property
    def is_empty(self) -> bool:
        """Whether every payload was there."""
        return not self._absent

    def find_lost(self, reader: LogReader, trust: TrustPolicy, *, size: int) -> Lost | None:
        """What of the log of `size` entries is absent and was not erased; None if nothing is.

        Raises TrustlogError for a log that cannot be read.
        """
        if self.is_empty:
            return None
        erased = frozenset(_erased(reader, trust, self._tombstones, size=size))
        lost = array("Q")
        for position in range(len(self._absent)):
            if not (self._is_erasable(position) and self._hash(position) in erased):
                lost.append(position)
        if not lost:
            return None
        return Lost(len(lost), self._absent[lost[0]], self._kinds[self._kind_of[lost[0]]])

    def _is_erasable(self, position: int) -> bool:
        kind = KINDS.get(self._kinds[self._kind_of[position]])
        return kind is not None and kind.erasable

    def _hash(self, position: int) -> bytes:
        return bytes(self._hashes[position * _HASH_BYTES : (position + 1) * _HASH_BYTES])


class _Below:
    """What the log held below an index, for the ledger."""

    def __init__(self, reader: LogReader, size: int) -> None:
        self._stored = StoredHistory(reader, size, _NO_CACHE)
        self.below = size

    def held(self, key: bytes) -> Held | None:
        """The holder of a 32-byte key: the first entry that took it, and no other."""
        found = self._stored.held(key)
        return found if found is not None and found.index < self.below else None

    def entry(self, index: int) -> bytes | None:
        """The entry at an index."""
        return self._stored.entry(index) if index < self.below else None


def _erased(reader: LogReader, trust: TrustPolicy, tombstones: array[int], *, size: int) -> Iterator[bytes]:
    """The SHA-256 of every payload that a valid tombstone names."""
    if not tombstones:
        return
    history = _Below(reader, size)
    ledger = Ledger(trust, history)
    try:
        replay_governance(ledger, reader, origin=trust.origin, size=size)
    except TrustlogError:  # without what decides on others nobody can tell who might erase: no tombstone counts
        return
    for index in tombstones:
        history.below = index
        try:
            candidate = _read(reader, index, trust.origin)
            ledger.judge(candidate, index)
        except Refused:
            continue  # void, and explains nothing
        yield decode_b64u(candidate.record.payload_b64u, _HASH_BYTES, "payload_b64u")


def _read(reader: LogReader, index: int, origin: str) -> Candidate:
    stored = reader.stored(index)
    assert stored is not None, "it was read before"
    assert stored.payload is not None, "it was read before"
    return read_logged(stored.entry, stored.payload, origin=origin)
