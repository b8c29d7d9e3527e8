"""The remembered checkpoint of `--state`: read before the log is, replaced after it passed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verifier.errors import Refused, Unusable
from verifier.files import read_file, read_own, write_whole
from verifier.limits import MAX_NOTE_BYTES
from verifier.trust import TrustPolicy
from verifier.trustedcheckpoint import open_checkpoint

_LOCK_S = 5.0  # another command holds the lock only while it writes a few hundred bytes
_POLL_S = 0.02


def read_since(name: str, trust: TrustPolicy) -> bytes:
    """The checkpoint note in a file that somebody kept. Raises Unusable for what is no checkpoint of a pinned log."""
    return _check_note(read_file(name, MAX_NOTE_BYTES), name, trust)


def read_state(name: str | None, trust: TrustPolicy) -> bytes | None:
    """The remembered checkpoint note, or None if nothing is remembered yet.

    Raises Unusable for a file that cannot be read or replaced, or that holds no checkpoint of a pinned log: what was
    remembered is lost then, which is no verdict on the log and must not pass for one that was never seen.
    """
    note = read_own(name, MAX_NOTE_BYTES) if name is not None else None
    return _check_note(note, name, trust) if name is not None and note is not None else None


def write_state(name: str | None, note: bytes, trust: TrustPolicy) -> None:
    """Remember a checkpoint, unless a newer one is remembered already, also by another process at the same time."""
    if name is None:
        return
    with _alone(Path(name).parent):
        old = read_state(name, trust)
        if old is None or _size(old, trust) < _size(note, trust):
            write_whole(name, note)


def _check_note(note: bytes, name: str, trust: TrustPolicy) -> bytes:
    try:
        _size(note, trust)
    except Refused as error:
        raise Unusable(
            "INPUT_UNREADABLE", name, expected="a checkpoint of a pinned log", found=f"{error.code} ({error.detail})"
        ) from None
    return note


def _size(note: bytes, trust: TrustPolicy) -> int:
    return open_checkpoint(note, trust, need_quorum=False).checkpoint.size


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other command remembers in this folder, where the system can see to that. Raises Unusable INPUT_UNREADABLE."""
    descriptor = _lock(folder) if sys.platform != "win32" else None
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(folder: Path) -> int | None:
    import fcntl  # noqa: PLC0415 - not everywhere

    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None  # a folder that may be written but not read
    deadline = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise Unusable("INPUT_UNREADABLE", str(folder), found="locked by another process") from None
            time.sleep(_POLL_S)
        except OSError:
            return descriptor  # a file system without locks
        else:
            return descriptor
