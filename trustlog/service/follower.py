"""The follower's process: keeps ``index.db`` close behind what is published."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import Final

from trustlog.log.directory import LogDirectory
from trustlog.log.following import follow, open_index
from trustlog.log.messages import STATE
from trustlog.log.shared import Slot
from trustlog.service.children import end_soon
from trustlog.storage.log_reader import LogReader

_POLL_S: Final = 0.02


def run_follower(directory: LogDirectory, state: Slot, connected: socket.socket) -> int:
    """Follow until the first process closes its end of `connected`; the exit status."""
    stop = threading.Event()
    threading.Thread(target=_await_end, args=(connected, stop), name="end", daemon=True).start()
    while not state.read():  # the log is not open yet
        if stop.wait(_POLL_S):
            return 0
    with closing(LogReader(directory.log_path)) as reader:
        index = open_index(directory.index_path, reader, stopped=stop.is_set)
        if index is not None:
            with closing(index):
                follow(reader, index, lambda: STATE.decode(state.read()).size, stopped=stop.is_set)
    return 0


def _await_end(connected: socket.socket, stop: threading.Event) -> None:
    connected.recv(1)
    stop.set()
    end_soon()
