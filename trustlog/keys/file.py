"""A role key in a file: one line of 64 hex digits, the seed, readable by its owner alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from trustlog.errors import Refused
from trustlog.keys.signer import SEED_BYTES, SeedSigner, parse_seed

KEY_FILE_MODE: Final = 0o600
_KEY_FILE_BYTES: Final = 2 * SEED_BYTES + 1  # the digits and their LF


def read_key_file(path: Path) -> SeedSigner:
    """The signer whose seed is in `path`.

    Refused (``INPUT_UNREADABLE``): no regular file, not readable, readable or writable by anybody but its owner, or not one
    line of 64 hex digits. The mode is that of the file that was opened, so nothing can be exchanged in between.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hang us
    except OSError as error:
        raise _unreadable(path, error.strerror or "cannot be opened", hint=None) from None
    try:
        _check_mode(path, os.fstat(descriptor))
        data = os.read(descriptor, _KEY_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    text = data.decode("ascii", errors="replace") if len(data) <= _KEY_FILE_BYTES else ""
    return SeedSigner(parse_seed(text, source=f"the key file {path}"))


def generate_key_file(path: Path) -> SeedSigner:
    """A new key in the new file `path`, with mode 0600 from its first byte on.

    An existing file is never overwritten: a lost role key cannot be made again (``INPUT_UNREADABLE``).
    """
    seed = os.urandom(SEED_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, KEY_FILE_MODE)
    except FileExistsError:
        hint = "choose another name; a key file is never overwritten"
        raise _unreadable(path, "it exists already", hint=hint) from None
    except OSError as error:
        raise _unreadable(path, error.strerror or "cannot be made", hint="choose a place that you can write to") from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, KEY_FILE_MODE)  # whatever the umask took away from the owner
        file.write(seed.hex().encode("ascii") + b"\n")
        file.flush()
        os.fsync(descriptor)
    return SeedSigner(seed)


def _check_mode(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable(path, "it is not a regular file", hint=None)
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise Refused(
            "INPUT_UNREADABLE",
            f"the key file {path} is open to others (mode {mode:04o})",
            param="key",
            expected=f"mode {KEY_FILE_MODE:04o}",
            found=f"{mode:04o}",
            hint=f"chmod 600 {path}; if somebody may have read it, make a new key and cut this one off with until_index",
        )


def _unreadable(path: Path, why: str, *, hint: str | None) -> Refused:
    return Refused("INPUT_UNREADABLE", f"key file {path}: {why}", param="key", hint=hint)
