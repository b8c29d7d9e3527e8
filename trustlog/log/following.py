"""Following a log for its derived index."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from trustlog.errors import TrustlogError
from trustlog.storage.index import DerivedIndex
from trustlog.storage.log_reader import LogReader

_LOGGER = logging.getLogger(__name__)
_POLL_S: Final = 0.01
_RETRY_S: Final = 1.0


def follow(reader: LogReader, index: DerivedIndex, published: Callable[[], int], stop: threading.Event) -> None:
    """Keep the index close behind what is published, until told to stop. Its failure is nobody else's."""
    warned = False
    while not stop.is_set():
        try:
            size = published()
            if index.complete_to >= size:
                stop.wait(_POLL_S)
            else:
                index.follow(reader, size)
            warned = False
        except TrustlogError as error:
            if not warned:
                _LOGGER.warning("the derived index fell behind: %s", error)
            warned = True
            stop.wait(_RETRY_S)
