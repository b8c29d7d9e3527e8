"""Building the derived index again, from the entries.

Only while nobody serves the log: a server builds it by itself, when it finds none at a start, and answers meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Final

from trustlog.log.directory import LogDirectory
from trustlog.storage.index import DerivedIndex
from trustlog.storage.index_file import replace_index
from trustlog.storage.lock import DirectoryLock
from trustlog.storage.log_reader import LogReader
from trustlog.storage.postings import IndexParameters

_STOP_FIRST: Final = (
    "stop the server first; or delete index.db while it is stopped: the next start builds it while it serves"
)


def reindex(directory: LogDirectory, report: Callable[[int, int], None] | None = None) -> int:
    """Throw ``index.db`` away and build it again up to what is published; how many entries it covers.

    `report` is told entries done and entries in all. When this is interrupted, the next start goes on where it stopped. Raises
    TrustlogError(LOG_LOCKED) while a server runs, StorageFailed.
    """
    directory.read_configuration()  # says what a directory that holds no log lacks, before anything is removed
    lock = DirectoryLock.acquire(directory.lock_path, hint=_STOP_FIRST)
    try:
        with closing(LogReader(directory.log_path)) as reader:
            size = min(reader.size(), reader.newest_checkpoint_size() or 0)
            replace_index(directory.index_path, IndexParameters().layout)
            with closing(DerivedIndex.open(directory.index_path, reader)) as index:
                while index.complete_to < size:
                    done = index.follow(reader, size)
                    if report is not None:
                        report(done, size)
                done = -1
                while done < index.texts_to < index.complete_to:
                    done = index.texts_to
                    index.follow_texts(reader)
                return index.complete_to
    finally:
        lock.release()
