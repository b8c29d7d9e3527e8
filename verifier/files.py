"""The files that a command reads and writes: inputs within bounds, files that it keeps, a new report."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from verifier.errors import Refused, Unusable
from verifier.limits import MAX_TRUST_BYTES
from verifier.trust import TrustPolicy, parse_trust_policy


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


def read_own(name: str, max_bytes: int) -> bytes | None:
    """A file that this command keeps, or None if there is none yet; found out before the work, not after it.

    Raises Unusable INPUT_UNREADABLE for what is no file or cannot be replaced, BODY_TOO_LARGE.
    """
    try:
        folder = Path(name).absolute().parent
        if not os.access(folder, os.W_OK | os.X_OK):
            is_there = folder.is_dir()
            raise Unusable("INPUT_UNREADABLE", name, found="a folder that takes no file" if is_there else "no such folder")
        mode = Path(name).stat().st_mode
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Unusable("INPUT_UNREADABLE", name[:200], found=getattr(error, "strerror", None) or "no such name") from None
    if not stat.S_ISREG(mode):
        raise Unusable("INPUT_UNREADABLE", name, expected="a regular file")
    return read_file(name, max_bytes)


def check_writable(name: str, *, force: bool) -> None:
    """Refuse a name to write to that is taken, unless forced, and one that no file can have. Raises Unusable PARAMETER_INVALID."""
    folder = Path(name).parent
    if not name or not os.access(folder, os.W_OK | os.X_OK):
        raise Unusable("PARAMETER_INVALID", name or "an empty name", expected="a file in a folder that you may write to")
    if os.path.lexists(name):
        _check_replaceable(name)
        if not force:
            raise Unusable("PARAMETER_INVALID", name, expected="a name that is free, or --force")


def is_same_file(one: str, other: str) -> bool:
    """Whether both names lead to one file that is there."""
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):
        return False


def _check_replaceable(name: str) -> None:
    """Only a file is ever replaced: never a folder, a device, a pipe or a link to any of them."""
    if not stat.S_ISREG(os.lstat(name).st_mode):
        raise Unusable("PARAMETER_INVALID", name, expected="a file, not a folder, device, pipe or link")


def write_whole(name: str, data: bytes) -> None:
    """Write a file whole or not at all, whoever else writes it. Raises Unusable INPUT_UNREADABLE."""
    path = Path(name)
    fresh = path.with_name(f".{secrets.token_hex(8)}.new")
    try:
        try:
            with fresh.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Unusable("INPUT_UNREADABLE", name[:200], found=error.strerror) from None
