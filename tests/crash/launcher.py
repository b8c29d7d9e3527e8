"""A process that has loaded the server once and forks into it as often as told, so that a start costs milliseconds.

It is given a socket. An order is one JSON message with two descriptors, the server's stdout and stderr; the answers are the
process id, and, once that process has ended, its exit status. One server at a time.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sqlite3
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

from trustlog.log import sequencer
from trustlog.service.server import serve
from trustlog.storage import connection as connection_module
from trustlog.storage import guard, log_writer

MOST_ORDER_BYTES = 65536
FRONT_ENDS = 2
FOLD_AFTER_PAGES = {"log.db": 24, "guard.db": 3}  # of 4,096 bytes; 1,000 is what SQLite does


def launch_as_told(channel: socket.socket) -> None:
    while True:
        text, descriptors, _, _ = socket.recv_fds(channel, MOST_ORDER_BYTES, 2)
        if not text:
            return
        pid = os.fork()
        if pid == 0:
            channel.close()
            become_server(json.loads(text), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        channel.send(str(os.waitstatus_to_exitcode(status)).encode())


def become_server(order: dict[str, Any], stdout: int, stderr: int) -> NoReturn:
    os.setsid()  # a group of its own, so that all of its processes can be killed at once
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.close(stdout)
    os.close(stderr)
    code = 70
    try:
        arm(order["fault"])
        if order["keep_after_s"] is not None:
            patch.object(sequencer, "KEEP_AFTER_S", order["keep_after_s"]).start()
        code = serve(Path(order["directory"]), "127.0.0.1", 0, workers=FRONT_ENDS)
    except BaseException:  # noqa: BLE001 - a traceback on stderr is what the tests look for
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def arm(arguments: list[str | int | None] | None) -> None:
    """Call ``fault_arm`` of the library that was loaded before all others (shim.c)."""
    if arguments is None:
        return
    as_c: list[Any] = [argument.encode() if isinstance(argument, str) else argument for argument in arguments]
    directory, files, everyone, reads, trace, action, error, first, last, *paths = as_c
    numbers = ctypes.c_char(action), error, ctypes.c_long(first), ctypes.c_long(last)
    armed = ctypes.CDLL(None).fault_arm(directory, files, everyone, reads, trace, *numbers, *paths)
    assert armed == 0, "the fault could not be armed"


def fold_often() -> None:
    """Have write-ahead logs folded into their databases every few batches, as a busy log has it every few hundred."""

    def open_writer(path: Path) -> sqlite3.Connection:
        connection = connection_module.open_writer(path)
        connection.execute(f"PRAGMA wal_autocheckpoint = {FOLD_AFTER_PAGES[path.name]}")
        return connection

    for module in (log_writer, guard):
        patch.object(module, "open_writer", open_writer).start()


if __name__ == "__main__":
    fold_often()
    launch_as_told(socket.socket(fileno=int(sys.argv[1])))
