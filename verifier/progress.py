"""Progress on standard error."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

AFTER_S = 2.0  # quick work says nothing
EVERY_S = 0.2
BAR_COLUMNS = 24


def show_progress(unit: str, *, quiet: bool = False) -> Callable[[int, int], None] | None:
    """A function of (done, all) that draws a bar, if standard error is a terminal and the work is long; else None.

    `quiet` is for output that a program reads.
    """
    if quiet or sys.stderr is None or not sys.stderr.isatty() or "NO_PROGRESS" in os.environ:
        return None
    begun = last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - begun > AFTER_S and (now - last > EVERY_S or done == total):
            last = now
            sys.stderr.write("\r" + draw_bar(done, total, unit) + ("\n" if done == total else ""))
            sys.stderr.flush()

    return show


def draw_bar(done: int, total: int, unit: str) -> str:
    """One line: a bar, how many of how many, and the percentage."""
    share = min(done, total) / max(total, 1)
    filled = int(BAR_COLUMNS * share)
    return f"[{'#' * filled}{'.' * (BAR_COLUMNS - filled)}] {done:,} of {total:,} {unit} ({int(100 * share)} %)"
