"""Entries whose payload was not there, in few bytes an entry: there may be as many as entries."""

from __future__ import annotations

from array import array
from collections.abc import Container

from verifier.encodings import decode_exact_b64u
from verifier.ledger.history import History
from verifier.ledger.prepared import Unopened
from verifier.records.kinds import KINDS
from verifier.records.restrictions import Tombstone

_HASH = 32


class Unread:
    """Indexes and payload hashes of entries whose payload was not there.

    A tombstone explains an entry of an erasable kind only: another entry may hold or name the same payload to have it erased.
    """

    def __init__(self) -> None:
        self._indexes = array("Q")
        self._hashes = bytearray()
        self._erasable = bytearray()

    def add(self, index: int, kind: str, payload_hash_b64u: str) -> None:
        """One entry."""
        self._indexes.append(index)
        self._hashes += decode_exact_b64u(payload_hash_b64u.encode("ascii"))
        self._erasable.append(KINDS[kind].erasable)

    def add_row(self, first: int, row: Unopened, *, void: Container[int] = ()) -> None:
        """Receipts in a row from the entry at `first` on, save those that are `void`; a receipt may be erased."""
        at = [position for position in range(row.width) if first + position not in void]
        self._indexes.extend([first + position for position in at])
        self._hashes += b"".join([row.payload_hashes[position * _HASH : (position + 1) * _HASH] for position in at])
        self._erasable += bytes([True]) * len(at)

    def explain(self, history: History, *, at_most: int) -> tuple[list[int], int, int]:
        """The indexes that no valid tombstone explains, at most so many; how many they are; how many are explained."""
        tombstones = history.valid("tombstone")
        named = [item.record.payload_b64u for item in tombstones if isinstance(item.record, Tombstone)]
        erased = {decode_exact_b64u(payload_b64u.encode("ascii")) for payload_b64u in named}
        missing: list[int] = []
        explained = 0
        for position, index in enumerate(self._indexes if erased else self._indexes[:at_most]):
            if self._erasable[position] and bytes(self._hashes[position * _HASH : (position + 1) * _HASH]) in erased:
                explained += 1
            elif len(missing) < at_most:
                missing.append(index)
        return missing, len(self._indexes) - explained, explained
