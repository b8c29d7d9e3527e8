"""Searching ``index.db``, in whatever process: read-only, beside the one that fills it.

An answer is found in the index and confirmed in the log, so what stands here can make an answer late, never wrong: one that is
damaged is refused, and built again by whoever fills it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from trustlog.storage.connection import storage_errors
from trustlog.storage.index_file import (
    IndexDamaged,
    file_identity,
    index_errors,
    open_index_reader,
    read_layout,
    read_progress,
    read_texts_to,
    report_damage,
)
from trustlog.storage.index_runs import IndexRuns
from trustlog.storage.index_search import MAX_PAGE_WORK, EntryReader, Page, Search
from trustlog.storage.index_texts import parse_words, search_texts
from trustlog.storage.postings import TERM_NAMES, IndexParameters, lowest_posting

_REOPENINGS: Final = 3


class IndexReader:
    """Read access to ``index.db`` of `log`, from any thread. Raises StorageFailed; an index that is absent is empty."""

    def __init__(self, path: Path, log: EntryReader, parameters: IndexParameters | None = None) -> None:
        self._path = path
        self._log = log
        self._parameters = parameters or IndexParameters()
        self._lock = threading.Lock()  # one connection, and what is known of its file
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._runs: IndexRuns | None = None

    @property
    def complete_to(self) -> int:
        """Every entry below this index can be found now; 0 where there is no index."""
        with self._lock, self._snapshot() as connection:
            return 0 if connection is None else read_progress(connection)[0]

    def find(self, terms: Mapping[str, str], *, start: int, end: int, limit: int, max_work: int = MAX_PAGE_WORK) -> Page:
        """A page of the entries in [start, end) that have all of `terms` (at least one): at most `limit` of them."""
        if not terms or not set(terms) <= set(TERM_NAMES):
            raise AssertionError("terms have registered names")
        if limit < 1 or start >= end:
            return Page([], start, self.complete_to)
        with self._lock, self._snapshot() as connection:
            if connection is None:
                return Page([], start, 0)
            complete_to, _ = read_progress(connection)
            until = max(start, min(end, complete_to))
            postings = [lowest_posting(name, value, self._parameters.mask) for name, value in terms.items()]
            known = [posting for posting in postings if posting is not None]
            if self._runs is None or len(known) < len(postings):
                return Page([], until, complete_to)
            search = Search(self._log, self._runs, terms, known, max_work)
            searched_to = search.run(start, until, limit)
            return Page(search.found, searched_to, complete_to)

    def find_texts(self, text: str, terms: Mapping[str, str], *, start: int, end: int, limit: int) -> Page:
        """A page of the entries in [start, end) whose record has every word of `text`, and all of `terms`.

        ``complete_to`` of the page is how far the words go. Raises Refused(PARAMETER_INVALID) for a text without words.
        """
        query = parse_words(text)
        with self._lock, self._snapshot() as connection:
            if connection is None:
                return Page([], start, 0)
            texts_to = read_texts_to(connection)
            return search_texts(connection, self._log, query, terms, start=start, end=end, limit=limit, complete_to=texts_to)

    def search(self, terms: Mapping[str, str], start: int, end: int, limit: int) -> list[int]:
        """The first `limit` indexes in [start, end) of entries that have all of `terms`, as far as the index goes."""
        found: list[int] = []
        while len(found) < limit:
            page = self.find(terms, start=start, end=end, limit=limit - len(found))
            found += (index for index, _ in page.entries)
            start = page.searched_to
            if start >= min(end, page.complete_to):
                break
        return found

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._let_go()

    # The connection, and the file behind it.

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection | None]:
        """One state of the index, whole; None where there is none. Damage is reported to whoever fills the index."""
        try:
            with index_errors("search index.db"):
                connection = self._current()
                if connection is None:
                    yield None
                    return
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        except IndexDamaged:
            self._let_go()
            report_damage(self._path)
            raise

    def _current(self) -> sqlite3.Connection | None:
        """A connection to the file that has the name now: it may have been replaced since the last search."""
        for _ in range(_REOPENINGS):
            file = file_identity(self._path)
            if file is None or file != self._file:
                self._let_go()
            if file is None:
                return None
            if self._connection is not None:
                return self._connection
            self._connection, self._file = open_index_reader(self._path), file
            layout = read_layout(self._connection)  # from here on its -wal is open too
            if file_identity(self._path) == file:
                if layout == self._parameters.layout:
                    self._runs = IndexRuns(self._connection, self._parameters)
                    return self._connection
                break
        self._let_go()
        return None

    def _let_go(self) -> None:
        if self._connection is not None:
            with storage_errors("close index.db"):
                self._connection.close()
        self._connection = self._file = self._runs = None
