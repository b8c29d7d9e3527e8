"""The newest checkpoint seen, remembered: without it, every fork and every rollback looks like a fresh log.

A memory is replaced by compare-and-swap, because several processes of one user may share a file: whoever proved consistency
with a checkpoint that is no longer the remembered one proves it again with the one that is.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trustlog.errors import Refused
from trustlog.formats.checkpoint import Checkpoint, parse_checkpoint
from trustlog.formats.note import parse_note
from trustlog.limits import MAX_NOTE_BYTES


@dataclass(frozen=True, slots=True)
class Remembered:
    """A checkpoint that was accepted once, with the note that it came in."""

    checkpoint: Checkpoint
    note: bytes


class CheckpointMemory(Protocol):
    """Where one relying party keeps the newest checkpoint of one log."""

    def load(self) -> Remembered | None:
        """What is remembered, or None before anything was."""
        ...

    def replace(self, old: Remembered | None, new: Remembered) -> bool:
        """Remember `new` if `old` is still what is remembered; whether it was."""
        ...


class ProcessMemory:
    """A memory that ends with the process."""

    def __init__(self) -> None:
        self._remembered: Remembered | None = None

    def load(self) -> Remembered | None:
        """What is remembered."""
        return self._remembered

    def replace(self, old: Remembered | None, new: Remembered) -> bool:
        """Remember `new` in place of `old`."""
        if self._remembered != old:
            return False
        self._remembered = new
        return True


class FileMemory:
    """A memory in one file: the checkpoint's note, as it was accepted; replaced whole, under a lock beside it.

    Raises Refused: ``STORAGE_FAILED`` where the file cannot be read or written, ``INPUT_UNREADABLE`` where it holds something
    else. A memory that cannot be read is never taken for an empty one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Remembered | None:
        """What is remembered."""
        try:
            with self._path.open("rb") as file:
                note = file.read(MAX_NOTE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed(error) from None
        try:
            return Remembered(parse_checkpoint(parse_note(note).text), note)
        except Refused as error:
            raise Refused(
                "INPUT_UNREADABLE",
                f"{self._path} does not hold a checkpoint: {error.detail}",
                param="state",
                hint="bring back the file, or remove it if you accept to start without a memory",
            ) from None

    def replace(self, old: Remembered | None, new: Remembered) -> bool:
        """Remember `new` in place of `old`: written beside the file, synced, put in its place."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._lock():
                if self.load() != old:
                    return False
                beside = self._path.with_name(self._path.name + ".new")
                with beside.open("wb") as file:
                    file.write(new.note)
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(self._path)
                return True
        except OSError as error:
            raise self._failed(error) from None

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with self._path.with_name(self._path.name + ".lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _failed(self, error: OSError) -> Refused:
        return Refused(
            "STORAGE_FAILED",
            f"the newest checkpoint seen could not be kept in {self._path}: {error.strerror}",
            param="state",
            hint="name a file that you can write to with --state",
        )
