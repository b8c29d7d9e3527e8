"""The processes of a log that is served on this machine: which they are, their memory and their CPU time, from ``/proc``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trustlog.errors import Refused

_PROC: Final = Path("/proc")
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server and its children have now.

    Bytes resident (shared pages counted in each process), proportional (shared pages divided among those that share them; None
    where that cannot be read), and CPU seconds since each process began.
    """

    processes: int
    rss_bytes: int
    pss_bytes: int | None
    cpu_s: dict[int, float]


def measure_usage(root: int) -> Usage | None:
    """What process `root` and all that descend from it have now; None where that cannot be seen."""
    rss_bytes, pss_bytes, known, cpu_s = 0, 0, True, {}
    for pid in _family(root):
        try:
            cpu_s[pid] = _cpu_s(pid)
            rss_bytes += _kilobytes(_PROC / str(pid) / "status", "VmRSS:")
        except OSError:  # it has just ended
            cpu_s.pop(pid, None)
            continue
        try:
            pss_bytes += _kilobytes(_PROC / str(pid) / "smaps_rollup", "Pss:")
        except OSError:
            known = False
    return Usage(len(cpu_s), rss_bytes, pss_bytes if known else None, cpu_s) if cpu_s else None


def sum_cpu_s(usages: Iterable[Usage]) -> float:
    """The CPU seconds spent between the first and the last of `usages`, of processes that came or went in between too."""
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    for number, usage in enumerate(usages):
        for pid, spent_s in usage.cpu_s.items():
            first.setdefault(pid, spent_s if number == 0 else 0.0)
            last[pid] = spent_s
    return sum(last[pid] - first[pid] for pid in last)


def read_lock(directory: Path) -> int | None:
    """The process that serves the log in `directory`; None if the lock does not say."""
    try:
        return int((directory / "lock").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def check_process(pid: int) -> None:
    """Refuse (``PARAMETER_INVALID``) a process that is not there to be seen."""
    if measure_usage(pid) is None:
        raise Refused("PARAMETER_INVALID", "no such process can be seen here", param="pid", found=pid)


def _family(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, int] = {}
    for path in _PROC.glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(_stat_fields(path)[1])
        except OSError:  # it has just ended
            continue
    family = [root]
    for pid in family:
        family += [child for child, parent in parents.items() if parent == pid]
    return family


def _cpu_s(pid: int) -> float:
    fields = _stat_fields(_PROC / str(pid) / "stat")
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def _stat_fields(path: Path) -> list[str]:
    """What follows the command's name, which may contain anything: state, parent and so on."""
    return path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _kilobytes(path: Path, name: str) -> int:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0
