"""Prepares the entries of one bundle, in order; receipts that have nothing left but their envelopes, whole rows at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from verifier.entry import EntryMatch, is_match_signed, payload_hash_of
from verifier.ledger.prepared import Keep, Prepared, Unopened, prepare
from verifier.source import Source
from verifier.tree import HASH_SIZE


@dataclass(frozen=True, slots=True)
class RowReader:
    """Entries in a row of the log of `origin`: the index of the `first`, and their `leaves`, the joined leaf hashes.

    `keep` says what of them the ledger remembers. The signatures of those below `signed_below` were checked before.
    """

    first: int
    leaves: bytes
    origin: str
    keep: Keep | None
    signed_below: int

    def read(self, source: Source, matches: Sequence[EntryMatch | None]) -> Iterator[Prepared | Unopened | None]:
        """What can be said of each, with its payload from `source`; None for what is no entry."""
        hashes = {match.string: payload_hash_of(match) for match in matches if match is not None}
        payloads = source.read_payloads(list(hashes.values()))
        done: dict[bytes, Prepared | None] = {}  # an entry that stands there again and again is read once
        row: list[EntryMatch] = []
        for position, match in enumerate(matches):
            prepared = None
            if match is not None:
                if match.string not in done:
                    done[match.string] = self._prepare(match, next(payloads), position)
                prepared = done[match.string]
                if prepared is None:
                    row.append(match)
                    continue
            if row:
                yield self._join(row, position)
                row = []
            yield prepared
        if row:
            yield self._join(row, len(matches))

    def _prepare(self, match: EntryMatch, payload: bytes | None, position: int) -> Prepared | None:
        """One entry, None if it goes into a row."""
        index = self.first + position
        was_checked = index < self.signed_below
        is_passed = payload is None and self.keep is not None and self.keep.passes(match)
        if is_passed and (was_checked or is_match_signed(match)):
            return None
        return prepare(
            match,
            payload,
            index=index,
            origin=self.origin,
            keep=self.keep,
            leaf_hash=self.leaves[position * HASH_SIZE : (position + 1) * HASH_SIZE],
            check_signature=not was_checked,
        )

    def _join(self, row: Sequence[EntryMatch], end: int) -> Unopened:
        """The row that ends before a position."""
        return Unopened(
            tuple([sys.intern(match[5].decode("ascii")) for match in row]),  # interned: it crosses to another process once
            b"".join([payload_hash_of(match) for match in row]),
            self.leaves[(end - len(row)) * HASH_SIZE : end * HASH_SIZE],
        )
