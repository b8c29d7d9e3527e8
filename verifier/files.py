"""The files that a command reads and writes: inputs within bounds, the remembered checkpoint, a new report."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from verifier.errors import Refused, Unusable
from verifier.limits import MAX_NOTE_BYTES, MAX_TRUST_BYTES
from verifier.trust import TrustPolicy, open_checkpoint, parse_trust_policy


def read_file(name: str, max_bytes: int, too_large: str = "BODY_TOO_LARGE") -> bytes:
    """A named file within a bound. Raises Unusable INPUT_UNREADABLE, or `too_large`."""
    try:
        with Path(name).open("rb") as file:
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise Unusable("INPUT_UNREADABLE", name, found=getattr(error, "strerror", None) or "no such name") from None
    if len(data) > max_bytes:
        raise Unusable(too_large, name, expected=f"at most {max_bytes} bytes")
    return data


def read_trust(name: str) -> TrustPolicy:
    """The trust policy in a file. Raises Unusable, or Refused TRUST_POLICY_INVALID."""
    data = read_file(name, MAX_TRUST_BYTES, "TRUST_POLICY_INVALID")
    try:
        return parse_trust_policy(data)
    except Refused as error:
        raise Refused(error.code, f"{name}: {error.detail}", expected=error.expected, found=error.found) from None


def read_earlier(name: str, trust: TrustPolicy) -> bytes:
    """The note of a checkpoint seen before, that the log is held to. Raises Unusable for one that the pinned keys do not verify.

    It is the reader's own: if it is damaged or of another log, that says nothing about the log that is judged.
    """
    note = read_file(name, MAX_NOTE_BYTES)
    try:
        open_checkpoint(note, trust)
    except Refused as error:
        raise Unusable(error.code, f"{name}: {error.detail}", expected=error.expected, found=error.found) from None
    return note


def read_state(name: str | None, trust: TrustPolicy) -> bytes | None:
    """The remembered checkpoint note, or None if nothing is remembered yet. Raises Unusable as `read_earlier`."""
    if name is None or not os.path.lexists(name):
        return None
    _check_replaceable(name)
    return read_earlier(name, trust)


def write_state(name: str | None, note: bytes, trust: TrustPolicy) -> None:
    """Remember a checkpoint, unless a newer one is remembered already; written whole or not at all."""
    if name is None:
        return
    old = read_state(name, trust)
    size = open_checkpoint(note, trust).checkpoint.size
    if old is not None and open_checkpoint(old, trust).checkpoint.size >= size:
        return
    write_whole(name, note)


def check_writable(name: str, *, force: bool) -> None:
    """Refuse a name to write to that is taken, unless forced, and one that no file can have. Raises Unusable PARAMETER_INVALID."""
    folder = Path(name).parent
    if not name or not os.access(folder, os.W_OK | os.X_OK):
        raise Unusable("PARAMETER_INVALID", name or "an empty name", expected="a file in a folder that you may write to")
    if os.path.lexists(name):
        _check_replaceable(name)
        if not force:
            raise Unusable("PARAMETER_INVALID", name, expected="a name that is free, or --force")


def _check_replaceable(name: str) -> None:
    """Only a file is ever replaced: never a folder, a device, a pipe or a link to any of them."""
    if not stat.S_ISREG(os.lstat(name).st_mode):
        raise Unusable("PARAMETER_INVALID", name, expected="a file, not a folder, device, pipe or link")


def write_whole(name: str, data: bytes) -> None:
    """Write a file whole or not at all: beside it, then in its place. Raises Unusable INPUT_UNREADABLE."""
    path = Path(name)
    fresh = path.with_name(f".{secrets.token_hex(8)}.new")
    try:
        with fresh.open("xb") as file:
            file.write(data)
        fresh.replace(path)
    except OSError as error:
        raise Unusable("INPUT_UNREADABLE", name, found=error.strerror) from None
    finally:
        with suppress(OSError):  # gone by now, unless it could not be filled or placed
            fresh.unlink()
