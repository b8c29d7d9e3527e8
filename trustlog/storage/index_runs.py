"""The runs of ``index.db``, read with every check that tells whether they are what was written."""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from trustlog.storage.index_file import IndexDamaged
from trustlog.storage.postings import IndexParameters, decode_words, mark_of_chunk, mark_of_run, places

_CACHED_RUNS: Final = 4096  # directories, of some 2 KB each


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The run of the entries [start, end): its segment begins at `base`, and `firsts` are the first postings of its chunks."""

    start: int
    end: int
    base: int
    firsts: array[int]

    def span(self, low: int, high: int) -> range:
        """The numbers of the chunks that can hold postings of [low, high)."""
        return range(max(0, bisect_right(self.firsts, low) - 1), bisect_left(self.firsts, high))


class IndexRuns:
    """The runs behind `connection`. All methods raise IndexDamaged, and SQLite's own exceptions."""

    def __init__(self, connection: sqlite3.Connection, parameters: IndexParameters) -> None:
        self._connection = connection
        self._parameters = parameters
        self._directories: OrderedDict[tuple[int, int], RunDirectory] = OrderedDict()

    def covering(self, start: int, end: int) -> Iterator[RunDirectory]:
        """The runs that have entries of [start, end), ascending."""
        sql = "SELECT start, start + size FROM runs WHERE start > ? AND start < ? ORDER BY start"
        covered = start
        for run_start, run_end in self._connection.execute(sql, (start - self._parameters.segment, end)):
            if not isinstance(run_start, int) or not isinstance(run_end, int):
                raise IndexDamaged("runs without numbers")
            if run_end <= start:
                continue
            if run_start > covered or (run_start < covered and covered > start):
                raise IndexDamaged(f"runs do not meet before entry {run_start}")
            covered = run_end
            yield self._directory(run_start, run_end)
        if covered < end:
            raise IndexDamaged(f"no run holds entry {covered}")

    def read(self, run: RunDirectory, number: int, low: int, high: int) -> list[int]:
        """The places of the postings of [low, high) in chunk `number` of `run`, ascending."""
        identifier = run.start + number
        row = self._connection.execute("SELECT postings FROM chunks WHERE id = ?", (identifier,)).fetchone()
        postings = None if row is None else decode_words(row[0], mark=mark_of_chunk(identifier))
        if not postings or postings[0] != run.firsts[number]:
            raise IndexDamaged(f"chunk {number} of the run of entry {run.start}")
        return places(postings, low, high)

    def _directory(self, start: int, end: int) -> RunDirectory:
        known = self._directories.get((start, end))
        if known is not None:
            self._directories.move_to_end((start, end))
            return known
        row = self._connection.execute("SELECT firsts FROM runs WHERE start = ?", (start,)).fetchone()
        firsts = None if row is None else decode_words(row[0], mark=mark_of_run(start, end))
        if firsts is None:
            raise IndexDamaged(f"the directory of the run of entry {start}")
        directory = self._directories[start, end] = RunDirectory(start, end, self._parameters.base(start), firsts)
        if len(self._directories) > _CACHED_RUNS:
            self._directories.popitem(last=False)
        return directory
