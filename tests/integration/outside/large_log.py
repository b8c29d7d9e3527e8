"""A log large enough for a partial tile at each of three levels, made by the log's own code, and what it publishes."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.log.actors import make_log_directory, receipt
from tests.scripts.commands import Shell
from trustlog.formats.checkpoint import Checkpoint, parse_checkpoint
from trustlog.formats.note import open_note
from trustlog.log.directory import LogDirectory
from trustlog.log.log import Log
from trustlog.log.logged import Logged, logged_of
from trustlog.log.offer import Offer

SIZE = 70_000
TILES_BY_LEVEL = [274, 2, 1]
PARTIAL_WIDTHS = [112, 17, 1]
_ROUND = 500  # envelopes in memory at a time


@dataclass(frozen=True)
class LargeLog:
    """The log in ``log``, exported to ``out``, and each checkpoint that it signed on its way, by its size, in ``signed``."""

    path: Path

    @property
    def directory(self) -> LogDirectory:
        return LogDirectory(self.path / "log")

    @property
    def out(self) -> Path:
        return self.path / "out"

    @property
    def vkey(self) -> str:
        return self.directory.read_signer().key.encode()

    @property
    def checkpoint(self) -> Checkpoint:
        note = (self.out / "checkpoint").read_bytes()
        return parse_checkpoint(open_note(note, [self.directory.read_signer().key]).text)

    @property
    def signed(self) -> list[Path]:
        return sorted((self.path / "signed").iterdir())

    @contextmanager
    def serving(self) -> Iterator[str]:
        """A server of the log, one at a time among all test processes; its URL."""
        with _alone(self.path), Shell(self.path).serve("log") as url:
            yield url

    def copy(self, path: Path) -> Path:
        """A copy of what was exported, but for the payloads. Its files are links: replace them, never write into them."""
        shutil.copytree(self.out / "tile", path / "tile", copy_function=os.link)
        os.link(self.out / "checkpoint", path / "checkpoint")
        return path


def large_log(path: Path) -> LargeLog:
    """The log at `path`, made by whichever test process comes first."""
    path.mkdir(exist_ok=True)
    log = LargeLog(path)
    with _alone(path):
        if not log.out.exists():
            (path / "signed").mkdir()
            asyncio.run(_make(make_log_directory(path / "log"), path / "signed"))
            Shell(path).good("export", "log", "out")
            shutil.rmtree(log.out / "payloads")  # of no use here, and one file an entry
    return log


async def _make(directory: LogDirectory, signed: Path) -> None:
    """Take every entry through admission, sequencer and commit, and keep the checkpoints."""
    log = await Log.open(directory)
    try:
        for start in range(0, SIZE, _ROUND):
            envelopes = [receipt(f"r-{i}") for i in range(start, min(start + _ROUND, SIZE))]
            offers = [each for each in await log.admit(envelopes) if isinstance(each, Offer)]
            submitted = await (await log.offer(offers))
            logged = [logged_of(log.verified, submitted, position) for position in range(len(offers))]
            assert [each.index for each in logged if isinstance(each, Logged)] == list(range(start, start + len(envelopes)))
        for size, note in log.reader.checkpoints_down_from(SIZE):
            if size:  # there is nothing to prove about the empty tree
                (signed / f"{size:06}").write_bytes(note)
    finally:
        await log.close()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One test process at a time."""
    with (path / "alone").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
