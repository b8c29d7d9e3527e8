"""Waiting for a fact instead of a time: what a test waits for comes when it comes, on any machine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 300.0  # no claim: an end to waiting for what hangs, far beyond what a slow or a paused machine takes

_LOOK_EVERY_S = 0.02


def wait_until(fact: Callable[[], object]) -> bool:
    """Wait for `fact` to be true; whether it ever was."""
    deadline = time.monotonic() + PATIENCE_S
    while not fact():
        if time.monotonic() > deadline:
            return bool(fact())  # we may have been paused since the last look
        time.sleep(_LOOK_EVERY_S)
    return True


async def until(fact: Callable[[], object]) -> None:
    """Wait for `fact` to be true, in an event loop that goes on meanwhile. Raises TimeoutError if it never is."""
    async with asyncio.timeout(PATIENCE_S):
        while not fact():  # noqa: ASYNC110 - nobody sets an event for it
            await asyncio.sleep(_LOOK_EVERY_S / 2)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and not reaped, by any of its threads, in the order of their making."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found += map(int, task.read_text().split())
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
