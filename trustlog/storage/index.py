"""``index.db``: which entries have which kind, refs, leaf hash and payload hash.

Derived from the entries, built again whenever it is absent, damaged or of another log, and never an authority: each answer is
confirmed in the log, and says up to which index the search was complete.

Beside them it has the words of records, for full-text search (``index_texts.py``); they may lag.

What it costs does not grow with the log. New entries make a run of their own; now and then the last runs of the segment are
joined to a longer one, so that a search has few of them to look into, and a full segment is written a last time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from trustlog.errors import TrustlogError
from trustlog.merkle.hashing import hash_leaf
from trustlog.storage.connection import storage_errors, transaction
from trustlog.storage.index_file import (
    IndexDamaged,
    damage_path,
    file_identity,
    index_errors,
    open_index_writer,
    read_layout,
    read_progress,
    read_texts_to,
    replace_index,
)
from trustlog.storage.index_reader import IndexReader
from trustlog.storage.index_search import EntryReader, Page
from trustlog.storage.index_texts import TEXT_KINDS, TextReader, words_of
from trustlog.storage.postings import (
    IndexParameters,
    Run,
    decode_words,
    encode_words,
    join_runs,
    make_postings,
    mark_of_chunk,
    mark_of_run,
)

MAX_STEP: Final = 2048
"""Entries taken in by one commit at most."""

MAX_TEXTS: Final = 256
"""Records whose words are taken in by one commit at most."""

_FAN_OUT: Final = 8  # so many runs of about one length are joined: a segment has some dozens at most


class DerivedIndex:
    """The derived index: one thread follows, any thread searches. All methods raise StorageFailed."""

    def __init__(self, path: Path, log: EntryReader, parameters: IndexParameters) -> None:
        self._path = path
        self._parameters = parameters
        self._reader = IndexReader(path, log, parameters)
        self._file = file_identity(path)  # None only if it goes away this moment
        self._connection = open_index_writer(path)
        try:
            self._complete_to, self._tail = self._load(log)
            self._texts_to = self._load_texts_to()
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def open(cls, path: Path, log: EntryReader, parameters: IndexParameters | None = None) -> Self:
        """Open the index of `log`; one that is absent, unreadable or of another log is replaced by an empty one."""
        parameters = parameters or IndexParameters()
        if path.exists() and not damage_path(path).exists():
            try:
                return cls(path, log, parameters)
            except TrustlogError:  # whatever is wrong with it, it is only derived
                pass
        replace_index(path, parameters.layout)
        return cls(path, log, parameters)

    @staticmethod
    def open_reader(path: Path, log: EntryReader, parameters: IndexParameters | None = None) -> IndexReader:
        """The index of `log` for searching only, in this process or another than the one that follows."""
        return IndexReader(path, log, parameters)

    @property
    def complete_to(self) -> int:
        """Every entry below this index can be found."""
        return self._complete_to

    def follow(self, log: EntryReader, size: int) -> int:
        """Take in at most :data:`MAX_STEP` entries of `log` below `size`, in one commit; how far the index is complete then.

        It begins again from 0 when its file is gone, was replaced, or was found damaged.
        """
        if file_identity(self._path) != self._file or damage_path(self._path).exists():
            self._start_again()
        start = self._complete_to
        end = min(size, start + MAX_STEP, self._parameters.base(start) + self._parameters.segment)
        if start < end:
            try:
                self._append(start, log.entries(start, end))
            except IndexDamaged:
                self._start_again()
        return self._complete_to

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    @property
    def texts_to(self) -> int:
        """The words of every record below this index can be found."""
        return self._texts_to

    def follow_texts(self, log: TextReader) -> int:
        """Take in the words of some more records, in one commit; how far they go then: no further than the index itself.

        The records are found by their kinds, so that receipts cost nothing.
        """
        start, end = self._texts_to, self._complete_to
        if start < end:
            try:
                pages = [self._reader.find({"kind": kind}, start=start, end=end, limit=MAX_TEXTS) for kind in TEXT_KINDS]
                until = min(page.searched_to for page in pages)
                places = sorted(index for page in pages for index, _ in page.entries if index < until)
                if until > start:
                    self._append_texts(log, places, until)
            except IndexDamaged:
                self._start_again()
        return self._texts_to

    def find(self, terms: Mapping[str, str], *, start: int, end: int, limit: int) -> Page:
        """See :meth:`IndexReader.find`."""
        return self._reader.find(terms, start=start, end=end, limit=limit)

    def search(self, terms: Mapping[str, str], start: int, end: int, limit: int) -> list[int]:
        """See :meth:`IndexReader.search`."""
        return self._reader.search(terms, start, end, limit)

    def close(self) -> None:
        """Let go of the database."""
        self._reader.close()
        with storage_errors("close index.db"):
            self._connection.close()

    def _append(self, start: int, entries: Sequence[bytes]) -> None:
        """Add neighbours of one segment, from `start` on, in one transaction."""
        base = self._parameters.base(start)
        run = Run(start, len(entries), make_postings(entries, start - base, self._parameters.mask))
        runs = [*self._tail, run]
        count = len(runs) if run.end == base + self._parameters.segment else _count_to_join(runs)
        joined = join_runs(runs[-count:]) if count > 1 else run
        with index_errors("extend index.db"), transaction(self._connection):
            if count > 1:
                self._connection.execute("DELETE FROM runs WHERE start >= ?", (joined.start,))
                self._connection.execute("DELETE FROM chunks WHERE id >= ?", (joined.start,))
            self._write(joined)
            leaf = hash_leaf(entries[-1])
            self._connection.execute("UPDATE progress SET complete_to = ?, last_leaf = ?", (run.end, leaf))
        self._tail = [] if run.end % self._parameters.segment == 0 else [*runs[:-count], joined]
        self._complete_to = run.end

    def _append_texts(self, log: TextReader, places: Sequence[int], until: int) -> None:
        stored = [log.stored(index) for index in places]
        rows = [(one.index, words_of(one.payload)) for one in stored if one is not None and one.payload is not None]
        with index_errors("extend index.db"), transaction(self._connection):
            self._connection.executemany("INSERT INTO texts (rowid, words) VALUES (?, ?)", rows)
            self._connection.execute("UPDATE progress SET texts_to = ?", (until,))
        self._texts_to = until

    def _write(self, run: Run) -> None:
        firsts, rows = [], []
        for identifier, chunk in enumerate(run.chunks(), run.start):
            firsts.append(chunk[0])
            rows.append((identifier, encode_words(chunk, mark=mark_of_chunk(identifier))))
        directory = encode_words(firsts, mark=mark_of_run(run.start, run.end))
        self._connection.execute("INSERT INTO runs VALUES (?, ?, ?)", (run.start, run.size, directory))
        self._connection.executemany("INSERT INTO chunks VALUES (?, ?)", rows)

    def _start_again(self) -> None:
        self._file = None  # whatever fails here is done again at the next step
        self._complete_to, self._tail, self._texts_to = 0, [], 0
        with storage_errors("close index.db"):
            self._connection.close()
        replace_index(self._path, self._parameters.layout)
        self._connection = open_index_writer(self._path)
        self._file = file_identity(self._path)

    def _load(self, log: EntryReader) -> tuple[int, list[Run]]:
        """How far the index goes, and the runs of the segment that is not full. Raises IndexDamaged if it is of no use."""
        with index_errors("read index.db"):
            if read_layout(self._connection) != self._parameters.layout:
                raise IndexDamaged("it was made in another way")
            complete_to, last_leaf = read_progress(self._connection)
            entry = log.entry(complete_to - 1) if complete_to else None
            if complete_to and (entry is None or hash_leaf(entry) != last_leaf):
                raise IndexDamaged("it is of another log")
            at, tail = 0, []
            for start, size in self._connection.execute("SELECT start, size FROM runs ORDER BY start"):
                if start != at or not isinstance(size, int) or size < 1:
                    raise IndexDamaged(f"runs do not meet before entry {start}")
                at = start + size
                if self._parameters.base(start) + self._parameters.segment > complete_to:
                    tail.append(Run(start, size, self._read_postings(start, at)))
            if at != complete_to:
                raise IndexDamaged("runs end elsewhere than the index")
        return complete_to, tail

    def _load_texts_to(self) -> int:
        with index_errors("read index.db"):
            texts_to = read_texts_to(self._connection)
        if texts_to > self._complete_to:
            raise IndexDamaged("its words go further than itself")
        return texts_to

    def _read_postings(self, start: int, end: int) -> list[int]:
        rows = self._connection.execute("SELECT id, postings FROM chunks WHERE id >= ? AND id < ? ORDER BY id", (start, end))
        chunks = [decode_words(postings, mark=mark_of_chunk(identifier)) for identifier, postings in rows]
        row = self._connection.execute("SELECT firsts FROM runs WHERE start = ?", (start,)).fetchone()
        firsts = decode_words(row[0], mark=mark_of_run(start, end))
        if firsts is None or firsts.tolist() != [chunk[0] for chunk in chunks if chunk] or len(firsts) != len(chunks):
            raise IndexDamaged(f"the run of entry {start}")
        return [posting for chunk in chunks if chunk for posting in chunk]


def _count_to_join(runs: Sequence[Run]) -> int:
    """How many of the last runs to write as one: those no longer than the last, by powers of the fan-out, if they are enough."""
    count, size = 1, runs[-1].size
    while True:
        alike = 0
        for run in reversed(runs[:-count]):
            if _level(run.size) > _level(size):
                break
            alike += 1
        if alike < _FAN_OUT - 1:
            return count
        count += alike
        size = sum(run.size for run in runs[-count:])


def _level(size: int) -> int:
    return (size.bit_length() - 1) // (_FAN_OUT.bit_length() - 1)
