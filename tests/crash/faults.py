"""Faults to be met by a server's calls on its files, and the trace of those calls: the Python side of ``shim.c``."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

SOURCE = Path(__file__).with_name("shim.c")
ENDLESS = 2**62

_T = TypeVar("_T")

AUTHORITATIVE = ("log.db", "guard.db", ".")
"""The beginnings of the names of what the promise rests on. The directory itself is one: it is synced too."""


class Action(StrEnum):
    """What happens to a call."""

    COUNT = "-"
    FAIL = "e"
    KILL_BEFORE = "k"
    KILL_AMIDST = "t"


@dataclass(frozen=True)
class Fault:
    """Calls `first` to `last` (from 1; inclusive) on `files` meet `action`; with a `gate`, only while that file exists.

    The calls are those that change a file, or, with `reads`, those that read one.

    `error` is an errno. `everyone`: calls of all of the server's processes count, not only those of the first, and a kill is of
    all of them. A `trace` is appended to. A `clock` file, while it is there, says how many seconds the time of day is off.
    """

    action: Action = Action.COUNT
    first: int = 1
    last: int = ENDLESS
    error: int = 0
    files: tuple[str, ...] = AUTHORITATIVE
    everyone: bool = False
    reads: bool = False
    gate: Path | None = None
    trace: Path | None = None
    clock: Path | None = None

    def arguments(self, directory: Path) -> list[str | int | None]:
        """Those of ``fault_arm``."""
        return [
            str(directory),
            ",".join((*self.files, "")),
            int(self.everyone),
            int(self.reads),
            None if self.trace is None else str(self.trace),
            self.action.value,
            self.error,
            self.first,
            self.last,
            None if self.gate is None else str(self.gate),
            None if self.clock is None else str(self.clock),
        ]


@dataclass(frozen=True)
class Call:
    """One call that was counted. `name` is the file's, ``.`` for the directory; `data` is what a write wrote, all of it.

    `operation` is ``w`` write, ``s`` sync, ``t`` truncate (to `offset`), ``u`` unlink, ``c`` open or create, ``r`` rename,
    ``g`` read;
    `failed`: nothing of it was done. `time_ns` is of the monotonic clock, before it was done.
    """

    number: int
    time_ns: int
    operation: str
    failed: bool
    name: str
    offset: int
    data: bytes


def read_trace(path: Path) -> list[Call]:
    return list(_read_calls(path.read_bytes())) if path.exists() else []


def _read_calls(trace: bytes) -> Iterator[Call]:
    at = 0
    while at < len(trace):
        end = trace.index(b"\n", at)
        number, time_ns, kind, offset, size, name = trace[at:end].decode().split(" ", 5)
        at = end + 1 + int(size)
        yield Call(int(number), int(time_ns), kind[0], kind[1] == "e", name, int(offset), trace[end + 1 : at])


def build_shim(folder: Path) -> Path | None:
    """The library that ``LD_PRELOAD`` loads; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = folder / "shim.so"
    subprocess.run(
        [compiler, "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl", "-lpthread"],
        check=True,
    )
    return library


def spread(items: Sequence[_T], count: int, seed: int = 1) -> list[_T]:
    """`count` of the items, one at random of each of as many equal stretches; the same ones every time."""
    count = min(count, len(items))
    chance = random.Random(seed)  # noqa: S311 - the same every time
    borders = [len(items) * i // max(1, count) for i in range(count + 1)]
    return [items[chance.randrange(start, end)] for start, end in itertools.pairwise(borders)]
