"""Files that hold a secret: readable by their owner alone, or refused."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from trustlog.errors import Refused

PRIVATE_MODE: Final = 0o600
_SEED: Final = re.compile(r"[0-9a-fA-F]{64}")


def read_private_file(path: Path, what: str, *, max_bytes: int, param: str, if_open: str) -> bytes:
    """All bytes of the regular file `path`, or its first `max_bytes` + 1. `what` names it in a refusal: "key file".

    Refused (``INPUT_UNREADABLE``): no regular file, not readable, readable or writable by anybody but its owner; `if_open` then
    says what to do besides ``chmod``. The mode is that of the file that was opened, so nothing can be exchanged in between.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hang us
    except OSError as error:
        raise unreadable(path, what, error.strerror or "cannot be opened", param=param) from None
    try:
        _check_private(path, what, os.fstat(descriptor), param, if_open)
        return os.read(descriptor, max_bytes + 1)
    finally:
        os.close(descriptor)


def _check_private(path: Path, what: str, status: os.stat_result, param: str, if_open: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise unreadable(path, what, "it is not a regular file", param=param)
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise Refused(
            "INPUT_UNREADABLE",
            f"the {what} {path} is open to others (mode {mode:04o})",
            param=param,
            expected=f"mode {PRIVATE_MODE:04o}",
            found=f"{mode:04o}",
            hint=f"chmod 600 {path}; {if_open}",
        )


def unreadable(path: Path, what: str, why: str, *, param: str, hint: str | None = None) -> Refused:
    """The refusal of a file that cannot be read or made."""
    if is_seed(path):
        detail = f"this is a {what}'s content, not its name"
        return Refused("INPUT_UNREADABLE", detail, param=param, hint="write the key to a file of mode 0600 and name that")
    return Refused("INPUT_UNREADABLE", f"{what} {path}: {why}", param=param, hint=hint)


def is_seed(path: Path) -> bool:
    """Whether a file's name is a seed itself, given in its place: it must not be repeated."""
    return _SEED.fullmatch(str(path)) is not None
