"""What the figures were measured on: processor, Python, disk, and how fast bare signatures are checked there."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trustlog.errors import Refused

MEASURE_S: Final = 2.0
_START_S: Final = 0.7  # by then every process is ready
_CHECK: Final = """
import sys, time
from nacl.signing import SigningKey
from trustlog.formats.ed25519 import verify_ed25519
key = SigningKey(bytes(32))
message = b"A" * 43
signature = key.sign(message).signature
public = bytes(key.verify_key)
start, seconds = float(sys.argv[1]), float(sys.argv[2])
while time.monotonic() < start:
    pass
begun, count, now = time.monotonic(), 0, 0.0  # later than the others where the machine was slow to start it
while now < begun + seconds:
    for _ in range(50):
        assert verify_ed25519(public, message, signature)
    count, now = count + 50, time.monotonic()
print(count / (now - begun))
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine that the bench runs on, with the versions that its Python has."""

    cores: int
    cpu: str
    python: str
    sqlite: str
    system: str
    load_average: float


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of a log's files: the log proper, its guard, what waits in write-ahead logs of these two, the derived index."""

    log_bytes: int
    guard_bytes: int
    wal_bytes: int
    index_bytes: int


def describe_machine() -> Machine:
    """This machine, as the system describes it."""
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        cpu=_cpu_model(),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        system=f"{platform.system()} {platform.release()}",
        load_average=round(os.getloadavg()[0], 2),
    )


def measure_ed25519(cores: int, seconds: float = MEASURE_S) -> float:
    """How many bare Ed25519 signatures `cores` processes check in a second together: libsodium, 43-byte messages."""
    start = time.monotonic() + _START_S
    command = [sys.executable, "-c", _CHECK, str(start), str(seconds)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)  # noqa: S603 - our own program
        for _ in range(cores)
    ]
    return sum(float(process.communicate()[0] or 0) for process in processes)


def measure_disk(directory: Path) -> Disk:
    """What the files of a log take up now. Refused (``INPUT_UNREADABLE``) if `directory` holds no log."""
    if not (directory / "log.db").is_file():
        raise Refused("INPUT_UNREADABLE", f"{directory} holds no log", param="dir", hint="name the directory that is served")
    size = {path.name: path.stat().st_size for path in directory.iterdir() if path.is_file()}
    return Disk(
        log_bytes=size["log.db"],
        guard_bytes=size.get("guard.db", 0),
        wal_bytes=size.get("log.db-wal", 0) + size.get("guard.db-wal", 0),
        index_bytes=size.get("index.db", 0) + size.get("index.db-wal", 0),
    )


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"
