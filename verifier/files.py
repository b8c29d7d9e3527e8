"""The files that a command reads and writes: inputs within bounds, files that it keeps, a new report."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from verifier.errors import Unusable
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
    return parse_trust_policy(read_file(name, MAX_TRUST_BYTES, "TRUST_POLICY_INVALID"))


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
    """Refuse a file to write that exists, unless forced, or whose folder does not. Raises Unusable PARAMETER_INVALID."""
    path = Path(name)
    if path.exists() and not force:
        raise Unusable("PARAMETER_INVALID", name, expected="a name that is free, or --force")
    if path.is_dir() or not path.parent.is_dir():
        raise Unusable("PARAMETER_INVALID", name, expected="a file in a folder that exists")


def write_whole(name: str, data: bytes) -> None:
    """Write a file whole or not at all, whoever else writes it. Raises Unusable INPUT_UNREADABLE."""
    path = Path(name)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
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
