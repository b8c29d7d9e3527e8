"""Running a user's command on a plan: what it may know, and who hears an interrupt."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from trustlog.change.execute import MAX_DIFF_BYTES, Ran, run_command
from trustlog.cli.answer import narrate
from trustlog.errors import Refused
from trustlog.keys.source import ENVIRONMENT_PREFIX

OURS: Final = "TRUSTLOG_"


def prepare_command(command: Sequence[str], keys: Sequence[str | None]) -> Callable[[bytes], Ran]:
    """What runs `command` with a plan on its standard input; ``PARAMETER_INVALID`` now if there is no such command.

    The command works on what an agent wrote: it gets neither our settings nor the variables that hold the `keys` in use.
    """
    if shutil.which(command[0]) is None:
        hint = "check its name, and that it may be run; nothing was logged"
        raise Refused("PARAMETER_INVALID", "there is no such command", param="COMMAND", found=command[0], hint=hint)
    secret = {key.removeprefix(ENVIRONMENT_PREFIX) for key in keys if key is not None and key.startswith(ENVIRONMENT_PREFIX)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS) and name not in secret}

    def run(plan: bytes) -> Ran:
        with _interrupts_left_to_the_command():
            ran = run_command(command, plan, environment)
        if len(ran.output) == MAX_DIFF_BYTES:
            narrate(f"only the first {MAX_DIFF_BYTES} bytes of the command's output are kept")
        return ran

    return run


@contextmanager
def _interrupts_left_to_the_command() -> Iterator[None]:
    """Ctrl-C reaches the command, which shares our terminal; we stay, to log how it ended."""
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)  # not SIG_IGN, which the command would inherit
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
