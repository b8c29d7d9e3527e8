"""Files as commands read and write them: bounded when read, whole or not at all when written."""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

from trustlog.errors import Refused
from trustlog.keys.private import is_seed, unreadable

STANDARD_INPUT: Final = Path("-")

_PRIVATE_KEY = re.compile(rb"\s*(?:[0-9a-fA-F]{64}\s*\Z|PRIVATE\+KEY\+|-----BEGIN [A-Z ]*PRIVATE KEY)")


def read_input(path: Path, *, max_bytes: int, may_be_key: bool = False) -> bytes:
    """All bytes of `path`, or of standard input for ``-``.

    Refused: ``INPUT_UNREADABLE``, or ``BODY_TOO_LARGE`` beyond `max_bytes`; never more than one byte beyond is read. A private
    key given in the place of something else is refused here, before an error about its text could show some of it.
    """
    try:
        if path == STANDARD_INPUT:
            data = sys.stdin.buffer.read(max_bytes + 1)
        else:
            with path.open("rb") as file:
                data = file.read(max_bytes + 1)
    except OSError as error:
        if is_seed(path):
            raise unreadable(path, "key file", "", param="file") from None
        raise Refused(
            "INPUT_UNREADABLE",
            f"{path}: {error.strerror}",
            param=str(path),
            hint="check the name and that you may read the file",
        ) from None
    if len(data) > max_bytes:
        raise Refused("BODY_TOO_LARGE", f"{path} is too large", param=str(path), expected=f"at most {max_bytes} bytes")
    if not may_be_key and _PRIVATE_KEY.match(data):
        raise Refused(
            "INPUT_UNREADABLE",
            f"{path} is a private key",
            param=str(path),
            hint="name the file that was meant; a key is named with --key",
        )
    return data


def check_writable(path: Path, *, force: bool) -> None:
    """Refused (``PARAMETER_INVALID``) early if :func:`write_file` would refuse to overwrite `path`."""
    if force:
        _check_replaceable(path)
    elif path.exists():
        raise _exists(path)


def write_file(path: Path, data: bytes, *, force: bool, mode: int = 0o644) -> None:
    """Write `path` whole: to a new file beside it, synced, then put in its place.

    An existing file is replaced only with `force`, and stays as it was if anything fails. Refused: ``PARAMETER_INVALID`` where
    a file stands, or anything else that is no file; ``STORAGE_FAILED`` where the system says no.
    """
    if force:
        _check_replaceable(path)
    try:
        _place(path, data, force=force, mode=mode)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise Refused(
            "STORAGE_FAILED",
            f"{path} was not written: {error.strerror}",
            param=str(path),
            hint="check that the directory exists, that you may write to it, and that there is room",
        ) from None


def _place(path: Path, data: bytes, *, force: bool, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        if force:
            Path(name).replace(path)
        else:
            os.link(name, path)  # fails where a file stands, with no moment between looking and placing
    finally:
        Path(name).unlink(missing_ok=True)


def _check_replaceable(path: Path) -> None:
    """Only a file is ever replaced: never a folder, a device, a pipe or a link to any of them."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # nothing stands there, or writing will say why not
    if not stat.S_ISREG(mode):
        raise Refused(
            "PARAMETER_INVALID",
            f"{path} is not a file",
            param=str(path),
            expected="a file, not a folder, device, pipe or link",
            hint="choose another name",
        )


def _exists(path: Path) -> Refused:
    return Refused(
        "PARAMETER_INVALID",
        f"{path} exists already",
        param=str(path),
        hint="choose another name, or say --force to overwrite it",
    )
