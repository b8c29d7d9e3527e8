"""The follower's process: keeps ``index.db`` close behind what is published."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import closing
from typing import Final

from trustlog.errors import TrustlogError
from trustlog.log.directory import LogDirectory
from trustlog.log.following import follow
from trustlog.log.messages import STATE
from trustlog.log.shared import Slot
from trustlog.service.children import end_soon
from trustlog.storage.index import DerivedIndex
from trustlog.storage.log_reader import LogReader

_POLL_S: Final = 0.02
_RETRY_S: Final = 1.0

_LOGGER = logging.getLogger(__name__)


def run_follower(directory: LogDirectory, state: Slot, connected: socket.socket) -> int:
    """Follow until the first process closes its end of `connected`; the exit status."""
    stop = threading.Event()
    threading.Thread(target=_await_end, args=(connected, stop), name="end", daemon=True).start()
    while not state.read():  # the log is not open yet
        if stop.wait(_POLL_S):
            return 0
    with closing(LogReader(directory.log_path)) as reader:
        index = _open(directory, reader, stop)
        if index is not None:
            with closing(index):
                follow(reader, index, lambda: STATE.decode(state.read()).size, stopped=stop.is_set)
    return 0


def _open(directory: LogDirectory, reader: LogReader, stop: threading.Event) -> DerivedIndex | None:
    """The index, as soon as it can be opened: where it cannot, for instance on a full disk, the log is served without it."""
    warned = False
    while not stop.is_set():
        try:
            return DerivedIndex.open(directory.index_path, reader)
        except (TrustlogError, OSError) as error:
            if not warned:
                _LOGGER.warning("the derived index cannot be opened: %s", error)
            warned = True
            stop.wait(_RETRY_S)
    return None


def _await_end(connected: socket.socket, stop: threading.Event) -> None:
    connected.recv(1)
    stop.set()
    end_soon()
