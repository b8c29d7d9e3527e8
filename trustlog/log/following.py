"""Following the log: the loop that keeps the derived index close behind what is published.

It blocks, and is meant for a process of its own, so that no request waits for it. It reads ``log.db`` like any reader and writes
only ``index.db``: whatever happens to it, the log goes on, and lookups say how far they go.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from trustlog.storage.connection import StorageFailed
from trustlog.storage.index import DerivedIndex
from trustlog.storage.index_search import EntryReader
from trustlog.storage.index_texts import TextReader

_LOGGER = logging.getLogger(__name__)
_PAUSE_S: Final = 0.02  # what arrives meanwhile is one commit
_RETRY_S: Final = 1.0
_TEXTS_EVERY_S: Final = 0.5  # words may lag: they are taken in beside the refs, in short steps, when those have caught up


def open_index(path: Path, log: EntryReader, *, stopped: Callable[[], bool]) -> DerivedIndex | None:
    """The index at `path`, as soon as the store gives it: what it refuses is logged once and tried again each second.

    None if ``stopped()`` before.
    """
    failing = False
    while not stopped():
        try:
            return DerivedIndex.open(path, log)
        except StorageFailed as error:
            if not failing:
                _LOGGER.warning("the derived index cannot be opened: %s", error)
            failing = True
            _pause(_RETRY_S, stopped)
    return None


def follow(
    log: TextReader,
    index: DerivedIndex,
    published: Callable[[], int],
    *,
    stopped: Callable[[], bool],
    advanced: Callable[[int], None] = lambda complete_to: None,
) -> None:
    """Fill `index` with the entries of `log` below ``published()`` until ``stopped()``, which is asked every 20 ms.

    `advanced` is told how far the index is complete, after each step; that can be less than before, when it is built again. What
    the store refuses (StorageFailed, also by `published`) is logged once and tried again each second.
    """
    failing = False
    texts_at_s = 0.0
    while not stopped():
        try:
            size = published()
            complete_to = index.follow(log, size)
            if complete_to >= size and time.monotonic() >= texts_at_s and index.follow_texts(log) == complete_to:
                texts_at_s = time.monotonic() + _TEXTS_EVERY_S
        except StorageFailed as error:
            if not failing:
                _LOGGER.warning("the derived index falls behind: %s", error)
            failing = True
            _pause(_RETRY_S, stopped)
            continue
        if failing:
            _LOGGER.warning("the derived index catches up again")
            failing = False
        advanced(complete_to)
        if complete_to >= size:
            time.sleep(_PAUSE_S)


def _pause(seconds: float, stopped: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not stopped():
        time.sleep(_PAUSE_S)
