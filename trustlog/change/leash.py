"""Between a runner and its command, as a process of its own: if the runner is killed, so is the command.

Run as a program, ``python -I -S leash.py FD GRACE_S UNSET COMMAND…``, as the leader of a session. ``FD`` is the reading end of
a pipe whose other end only the runner holds: whatever ends the runner closes it. Then the whole process group is told to stop,
and is killed if it has not after ``GRACE_S``. A parent-death signal would not do: it reaches one process, and not what that
started. ``UNSET`` names a variable that the command is not to get, if any.

It ends as the command does: with its exit code, or by its signal. It imports nothing of ours, so that it starts fast.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOT_STARTED = 127


def main(arguments: list[str]) -> int:
    """Start the command and wait for it; its exit code."""
    runner, grace_s, unset, command = int(arguments[0]), float(arguments[1]), arguments[2], arguments[3:]
    os.environ.pop(unset, None)
    os.set_inheritable(runner, False)
    for number in STOPS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup means what it says
            signal.signal(number, _go_on)  # the command, which gets it too, starts with the default
    try:
        pid = os.posix_spawnp(command[0], command, os.environ, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
    except OSError as error:
        os.write(1, f"{command[0]}: {error.strerror}\n".encode())
        return NOT_STARTED
    for own in (0, 1):  # theirs from here on: who reads and writes must see when the command does not
        os.close(own)
    gone = threading.Event()
    watching = threading.Thread(target=_watch, args=(runner, grace_s, gone), daemon=True)
    watching.start()
    exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if gone.is_set():
        watching.join()  # until what the command started is gone, too, and we with it
    if exit_code < 0:
        _end_by(-exit_code)
    return exit_code


def _go_on(_number: int, _frame: object) -> None:
    """A signal to the group is for the command: when that ends, so does this."""


def _watch(runner: int, grace_s: float, gone: threading.Event) -> None:
    os.read(runner, 1)  # nothing is ever written
    gone.set()
    os.killpg(0, signal.SIGTERM)
    threading.Event().wait(grace_s)
    os.killpg(0, signal.SIGKILL)


def _end_by(number: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
