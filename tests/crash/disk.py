"""A disk that loses its power: what a trace of calls says may be on it at any moment.

Only what was synced is certain. Of what was written to a file after its last sync, any part may have reached the disk, in any
order and by 512-byte sectors. Names are kept likewise: a file that was removed may be there again, until its directory, or the
file that took its place, is synced.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.faults import Call

SECTOR = 512


@dataclass
class _File:
    """`synced` is the certain content (None: no file), `pending` the calls since, in order."""

    synced: bytes | None
    pending: list[Call] = field(default_factory=list)

    def sync(self) -> None:
        self.synced = _apply(self.synced, self.pending)
        self.pending.clear()

    def sync_name(self) -> None:
        """What the sync of its directory makes certain: that it was removed, and that it was made."""
        removals = [i for i, call in enumerate(self.pending) if call.operation == "u"]
        if removals:
            self.synced, self.pending = None, self.pending[removals[-1] + 1 :]
        if self.synced is None and self.pending:
            self.synced = b""


class Disk:
    """The files of one directory, as a power failure may leave them. Files of no call are none of its business."""

    def __init__(self, directory: Path, calls: list[Call]) -> None:
        """`directory` holds what there was before the first of `calls`, all of it certain."""
        names = {call.name for call in calls} - {"."}
        paths = {name: directory / name for name in names}
        self._files = {name: _File(path.read_bytes() if path.exists() else None) for name, path in paths.items()}

    def apply(self, call: Call) -> None:
        """Go on to after `call`. A sync that failed made nothing certain; what was written before it counts as lost."""
        if call.name == ".":
            if not call.failed:
                for file in self._files.values():
                    file.sync_name()
        elif call.operation == "s":
            if call.failed:
                self._files[call.name].pending.clear()
            else:
                self._files[call.name].sync()
        elif not call.failed:
            self._files[call.name].pending.append(call)

    def leave(self, directory: Path, chance: random.Random | None) -> None:
        """Put into `directory` what the failure leaves: without `chance` only what is certain, else some of the rest too."""
        for name, file in self._files.items():
            content = _apply(file.synced, [] if chance is None else list(_some(file.pending, chance)))
            if content is None:
                (directory / name).unlink(missing_ok=True)
            else:
                (directory / name).write_bytes(content)


def _some(pending: list[Call], chance: random.Random) -> Iterator[Call]:
    """Some of the calls, some of the writes torn. Nothing that happened to a later file reaches an earlier one of its name."""
    share = chance.choice([0.1, 0.5, 0.9])
    for call in pending:
        if chance.random() < share:
            yield from _torn(call, chance) if call.operation == "w" else [call]
        elif call.operation in "uc":
            return


def _torn(call: Call, chance: random.Random) -> Iterator[Call]:
    """The write, whole or some sectors of it."""
    whole = chance.random() < 0.5
    at = 0
    while at < len(call.data):
        end = min(len(call.data), at + SECTOR - (call.offset + at) % SECTOR)
        if whole or chance.random() < 0.5:
            yield Call(call.number, call.time_ns, "w", False, call.name, call.offset + at, call.data[at:end])
        at = end


def _apply(content: bytes | None, calls: list[Call]) -> bytes | None:
    """The content after the calls; None if there is no such file then."""
    now = None if content is None else bytearray(content)
    for call in calls:
        if call.operation == "u":
            now = None
            continue
        now = bytearray() if now is None else now
        if call.operation == "w":
            now.extend(bytes(max(0, call.offset - len(now))))
            now[call.offset : call.offset + len(call.data)] = call.data
        elif call.operation == "t":
            del now[call.offset :]
            now.extend(bytes(call.offset - len(now)))
    return None if now is None else bytes(now)
