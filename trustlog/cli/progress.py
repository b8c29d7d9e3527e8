"""How far a long command has come, on standard error: nothing for work that is done at once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

QUIET_S: Final = 2.0  # what takes less needs no progress
TERMINAL_S: Final = 0.1  # between two states of a bar
LINE_S: Final = 10.0  # between two lines in a file
BAR_CHARACTERS: Final = 30


class ProgressBar:
    """A bar on a terminal, a line now and then elsewhere; nothing in the first seconds.

    Call it with what is being done (``"entries checked"``), how many are done, and how many there are.
    """

    def __init__(self, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._next = clock() + QUIET_S
        self._shown: str | None = None  # what the bar on the terminal is about

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say how far it has come, if it is time to."""
        ended = done >= total
        if self._shown not in {None, what}:
            self.close()
        if self._clock() < self._next and not (ended and self._shown is not None):
            return
        share = 1.0 if total == 0 else min(done / total, 1.0)
        if self._stream.isatty():
            filled = round(share * BAR_CHARACTERS)
            bar = "#" * filled + "." * (BAR_CHARACTERS - filled)
            print(f"\r\x1b[K[{bar}] {share:4.0%} {done} of {total} {what}", end="", file=self._stream, flush=True)
            self._shown = what
            self._next = self._clock() + TERMINAL_S
            if ended:
                self.close()
        else:
            print(f"{share:.0%}: {done} of {total} {what}", file=self._stream, flush=True)
            self._next = self._clock() + LINE_S

    def close(self) -> None:
        """End the line of the bar, if there is one."""
        if self._shown is not None:
            print(file=self._stream, flush=True)
            self._shown = None
