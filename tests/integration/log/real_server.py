"""The real server: its first process, its front ends and its follower."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.log.actors import make_log_directory
from tests.waiting import PATIENCE_S, children_of

ROOT = Path(__file__).resolve().parents[3]
_SERVE = """
import resource, sys
from pathlib import Path
from trustlog.service.server import serve
path, workers, descriptors = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if descriptors:
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
sys.exit(serve(Path(path), "127.0.0.1", 0, workers=workers))
"""


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    workers: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def front_ends(self) -> list[int]:
        """Their process ids: they part first, the follower last."""
        return children_of(self.process.pid)[: self.workers]

    def stop(self) -> str:
        """Ask it to stop; what it said on stderr."""
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, said.decode()
        return said.decode()


@contextmanager
def running(directory: Path, *, workers: int, descriptors: int = 0) -> Iterator[Server]:
    """A server of a new log; `descriptors` limits how many it may have open."""
    make_log_directory(directory)
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(directory), str(workers), str(descriptors)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read().decode()
        yield Server(process, int(json.loads(line)["url"].rpartition(":")[2]), workers)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()
