"""One page of an answer: candidates from the derived index, confirmed in the log.

A run is searched block by block: the postings of the term with the fewest chunks, thinned by those of the others while there are
many, and each that is left is read from the log. So a common term beside a rare one costs nothing, two common ones are compared
without reading entries, and the work is counted, so that a page ends where an answer is rare and asked for with common terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from trustlog.storage.index_runs import IndexRuns, RunDirectory
from trustlog.storage.postings import has_terms

MAX_PAGE_WORK: Final = 4096
"""Chunks read and candidates rejected for one page: about a tenth of a second. For a rare term, 60 million entries."""

_FEW: Final = 32  # so many candidates are cheaper to read from the log than to look for among a common term's postings


class EntryReader(Protocol):
    """What the index needs of the log."""

    def entry(self, index: int) -> bytes | None:
        """The entry at `index`."""

    def entries(self, start: int, end: int) -> list[bytes]:
        """The entries [start, end)."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of an answer: every match in [start, searched_to), ascending, where `start` was asked for.

    `complete_to` is how far the index went at that moment. A page may be empty and not the last: the search goes on from
    `searched_to` unless that is the end asked for, or `complete_to`.
    """

    entries: list[tuple[int, bytes]]
    searched_to: int
    complete_to: int


@dataclass(slots=True)
class Search:
    """The search for entries of `log` with all of `terms`, whose lowest `postings` are given; `max_work` is used up."""

    log: EntryReader
    runs: IndexRuns
    terms: Mapping[str, str]
    postings: Sequence[int]
    max_work: int
    found: list[tuple[int, bytes]] = field(default_factory=list)

    def run(self, start: int, end: int, limit: int) -> int:
        """Search [start, end) until `limit` are found or the work is used up; the index that the search came to."""
        if start >= end:
            return start
        for run in self.runs.covering(start, end):
            low, high = max(start, run.start), min(end, run.end)
            for block, block_end in self._blocks(run, low, high):
                for index in block:
                    if self._confirm(index) and len(self.found) == limit:
                        return index + 1
                if self.max_work <= 0:
                    return block_end
            if self.max_work <= 0:
                return high
        return end

    def _confirm(self, index: int) -> bool:
        entry = self.log.entry(index)
        if entry is None or not has_terms(entry, self.terms):
            self.max_work -= 1
            return False
        self.found.append((index, entry))
        return True

    def _blocks(self, run: RunDirectory, low: int, high: int) -> Iterator[tuple[list[int], int]]:
        """Candidates in [low, high) of a run, ascending, in blocks, each with the index up to which there are no others."""
        spans = [(run.span(term | (low - run.base), term + (high - run.base)), term) for term in self.postings]
        spans.sort(key=lambda span: len(span[0]))
        (chunks, rarest), others = spans[0], [term for _, term in spans[1:]]
        for number in chunks:
            block = self._read(run, range(number, number + 1), rarest | (low - run.base), rarest + (high - run.base))
            if not block:
                continue
            first, last = block[0], block[-1]
            for term in others:
                if len(block) <= _FEW:
                    break
                known = set(self._read(run, run.span(term | first, term + last + 1), term | first, term + last + 1))
                block = [place for place in block if place in known]
            low = run.base + last + 1  # a hash that an entry has twice can stand at the border of two chunks
            yield [run.base + place for place in dict.fromkeys(block)], low

    def _read(self, run: RunDirectory, chunks: range, low: int, high: int) -> list[int]:
        self.max_work -= len(chunks)
        return [place for number in chunks for place in self.runs.read(run, number, low, high)]
