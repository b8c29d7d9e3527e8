"""A view with restrictions on top that were handed in and are not logged yet, as if they were the next entries.

Only what a judgement asks of a view is here: looking up. What is on top is a revocation or a denial, so it adds reasons against
an act and never carries one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trustlog.formats.entry import ref_value
from trustlog.gate.view import Logged, LogView
from trustlog.records.candidate import Candidate
from trustlog.records.rosters import RosterChain


class ForeseenView(LogView):
    """`base`, and above it `pending` in this order. It changes with `base`, and is not to be added to."""

    def __init__(self, base: LogView, pending: Sequence[Candidate]) -> None:
        # LogView's own state is not made: everything is asked of `base`.
        self.trust = base.trust
        self.lies = base.lies
        self._base = base
        self._pending = [Logged(base.size + n, one.entry_bytes, one.entry, one) for n, one in enumerate(pending)]

    @property
    def size(self) -> int:
        """How many entries there would be."""
        return self._base.size + len(self._pending)

    @property
    def rosters(self) -> RosterChain:
        """The roster chain, on which nothing pending has any effect."""
        return self._base.rosters

    def is_key_revoked(self, did: str, index: int) -> bool:
        """Whether the key was, or would be, revoked below `index`."""
        return self._base.is_key_revoked(did, index) or any(
            one.index < index and one.kind == "revocation" and one.record.target == f"key:{did}" for one in self._pending
        )

    def seen_by(self, index: int) -> int | None:
        """As the base knows it."""
        return self._base.seen_by(index)

    def sharing(self, name: str, value: str, size: int) -> Iterator[Logged]:
        """Entries whose field `name` is `value`."""
        yield from self._base.sharing(name, value, size)
        yield from (one for one in self._below_top(size) if one.refs.get(name) == ref_value(value))

    def of_kind(self, kind: str, size: int) -> Iterator[Logged]:
        """Entries of a kind."""
        yield from self._base.of_kind(kind, size)
        yield from (one for one in self._below_top(size) if one.kind == kind)

    def by_payload(self, payload_hash: str, kind: str, size: int) -> list[Logged]:
        """Read, valid entries of a kind with this payload."""
        return self._base.by_payload(payload_hash, kind, size) + self._with_payload(payload_hash, kind, size)

    def named(self, payload_hash: str, kind: str, size: int) -> list[Logged]:
        """Entries of a kind with this payload."""
        return self._base.named(payload_hash, kind, size) + self._with_payload(payload_hash, kind, size)

    def withdrawals(self, payload_hash: str, size: int) -> Iterator[Logged]:
        """As the base knows them: a gate's record is never pending."""
        return self._base.withdrawals(payload_hash, size)

    def at(self, index: int) -> Logged | None:
        """The entry at an index."""
        return self._base.at(index) if index < self._base.size else self._pending[index - self._base.size]

    def _with_payload(self, payload_hash: str, kind: str, size: int) -> list[Logged]:
        return [one for one in self._below_top(size) if one.kind == kind and one.payload_hash == payload_hash]

    def _below_top(self, size: int) -> Iterator[Logged]:
        return (one for one in self._pending if one.index < size)
