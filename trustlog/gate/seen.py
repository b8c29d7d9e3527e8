"""When witnesses had seen what: the age of an approval is counted from there, if its own time says less."""

from __future__ import annotations

from bisect import bisect_right, insort


class Seen:
    """Trees that a quorum of witnesses had cosigned, each with the earliest time known by which it had.

    `moved` counts how often entries turned out to have been seen earlier than was thought.
    """

    def __init__(self) -> None:
        self.moved = 0
        self._trees: list[tuple[int, int]] = []  # sizes and times, both ascending: what a later one says too is left out

    def copy(self) -> Seen:
        """The same, to go on from."""
        copy = Seen()
        copy.moved = self.moved
        copy._trees = [*self._trees]
        return copy

    def note(self, size: int, ns: int) -> bool:
        """A quorum of witnesses had cosigned the tree of `size` by the time `ns` (nanoseconds since 1970); whether that is news."""
        earliest_ns = self.by(size - 1)
        if earliest_ns is not None and earliest_ns <= ns:
            return False
        last_size, last_ns = self._trees[-1] if self._trees else (0, ns)
        if last_size < size and last_ns <= ns:
            self._trees.append((size, ns))
            return True
        self.moved += 1  # the time of some entry that had one
        self._trees = [known for known in self._trees if known[0] > size or known[1] < ns]
        insort(self._trees, (size, ns))
        return True

    def by(self, index: int) -> int | None:
        """The earliest time by which witnesses had seen the entry at `index`, as far as is known here."""
        place = bisect_right(self._trees, index, key=lambda known: known[0])
        return self._trees[place][1] if place < len(self._trees) else None
