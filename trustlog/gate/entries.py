"""Every entry that was read, looked up by what its refs say. Nothing is judged here.

All answers are in index order and below the size that is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, MutableSequence
from itertools import product
from typing import Any

from trustlog.formats.entry import ref_value
from trustlog.gate.logged import Logged
from trustlog.gate.stacked import StackedIndex, StackedList


class LoggedEntries:
    """Entries in index order, void ones included; None for what is no entry at all."""

    def __init__(self) -> None:
        self._entries: MutableSequence[Logged | None] = []
        self._by_ref: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._by_kind: dict[str, list[int]] = defaultdict(list)
        self._by_payload: dict[str, list[int]] = defaultdict(list)
        self._key_revocations: list[int] = []

    @property
    def size(self) -> int:
        """How many entries were read."""
        return len(self._entries)

    def sharing(self, name: str, value: str, size: int) -> Iterator[Logged]:
        """Entries, void ones included, whose field `name` is `value`: a long value stands in its ref as a hash."""
        found = self._by_ref.get((name, value))  # mostly it is short and plain
        return self._below(self._by_ref.get((name, ref_value(value)), ()) if found is None else found, size)

    def of_kind(self, kind: str, size: int) -> Iterator[Logged]:
        """Entries of a kind, void ones included."""
        return self._below(self._by_kind.get(kind, ()), size)

    def valid(self, kind: str, name: str, value: str, size: int) -> list[Logged]:
        """Read, valid entries of `kind` whose ref `name` is `value`."""
        return [one for one in self.sharing(name, value, size) if one.kind == kind and one.candidate is not None]

    def by_payload(self, payload_hash: str, kind: str, size: int) -> list[Logged]:
        """Read, valid entries of a kind with this payload."""
        found = self._below(self._by_payload.get(payload_hash, ()), size)
        return [one for one in found if one.kind == kind and one.candidate is not None]

    def named(self, payload_hash: str, kind: str, size: int) -> list[Logged]:
        """Entries of a kind with this payload, void and unread ones included."""
        return [one for one in self._below(self._by_payload.get(payload_hash, ()), size) if one.kind == kind]

    def key_revocations(self, size: int) -> Iterator[Logged]:
        """Entries, void ones included, that name a key as their target: there are few of them in a log."""
        return self._below(self._key_revocations, size)

    def naming(self, names: Iterable[str], values: Iterable[str], start: int) -> set[int]:
        """The indexes from `start` on of entries, void ones included, of which any of these refs has any of these values."""
        found = set()
        for ref in product(names, values):
            for index in reversed(self._by_ref.get(ref, ())):
                if index < start:
                    break
                found.add(index)
        return found

    def kinds_since(self, start: int) -> set[str]:
        """The kinds of the entries from `start` on, void ones included."""
        return {kind for kind, indexes in self._by_kind.items() if indexes[-1] >= start}

    def first(self, payload_hash: str, kind: str, size: int) -> Logged | None:
        """The lowest-indexed valid entry with this payload: the one that counts."""
        return next(iter(self.by_payload(payload_hash, kind, size)), None)

    def at(self, index: int) -> Logged | None:
        """The entry at an index; None if its bytes are no entry."""
        return self._entries[index]

    def _below(self, indexes: Any, size: int) -> Iterator[Logged]:
        for index in indexes:
            if index >= size:
                return
            logged = self._entries[index]
            assert logged is not None
            yield logged

    def _append(self, logged: Logged | None) -> None:
        """The next entry."""
        self._entries.append(logged)
        if logged is None:
            return
        for name, value in logged.refs.items():
            self._by_ref[name, value].append(logged.index)
        if logged.refs.get("target", "").startswith("key:"):
            self._key_revocations.append(logged.index)
        self._by_kind[logged.kind].append(logged.index)
        self._by_payload[logged.payload_hash].append(logged.index)

    def _stack_on(self, below: LoggedEntries) -> None:
        """Hold what `below` holds, and on top of it what is appended here; it must not grow meanwhile."""
        self._entries = StackedList(below._entries)
        self._by_ref = StackedIndex(below._by_ref)
        self._by_kind = StackedIndex(below._by_kind)
        self._by_payload = StackedIndex(below._by_payload)
        self._key_revocations = [*below._key_revocations]
