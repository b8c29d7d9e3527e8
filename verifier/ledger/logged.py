"""One entry as it was read: its index, its bytes, its payload if there is one, and whether it counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from verifier.entry import Entry
from verifier.errors import Refused
from verifier.records.kinds import Record


class State(Enum):
    """Whether an entry counts.

    VALID   it keeps every rule of reading.
    VOID    it breaks one; it has no effect and holds no key.
    UNREAD  its payload is not there; what restricts is then taken at its worst, what permits counts for nothing.
    """

    VALID = "valid"
    VOID = "void"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry at its index. `record` is there if it is valid, `fault` if it is void."""

    index: int
    entry: Entry
    state: State
    record: Record | None = None
    fault: Refused | None = None

    @property
    def is_valid(self) -> bool:
        """Whether it keeps every rule of reading."""
        return self.state is State.VALID

    def ref(self, name: str) -> str | None:
        """One of its refs, or None."""
        return self.entry.refs.get(name)
