"""A role key in a file: one line of 64 hex digits, the seed, readable by its owner alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from trustlog.keys.private import PRIVATE_MODE, read_private_file, unreadable
from trustlog.keys.signer import SEED_BYTES, SeedSigner, parse_seed

KEY_FILE: Final = "key file"
_KEY_FILE_BYTES: Final = 2 * SEED_BYTES + 1  # the digits and their LF


def read_key_file(path: Path) -> SeedSigner:
    """The signer whose seed is in `path`.

    Refused (``INPUT_UNREADABLE``): no regular file, not readable, readable or writable by anybody but its owner, or not one
    line of 64 hex digits.
    """
    if_open = "if somebody may have read it, make a new key and cut this one off with until_index"
    data = read_private_file(path, KEY_FILE, max_bytes=_KEY_FILE_BYTES, param="key", if_open=if_open)
    text = data.decode("ascii", errors="replace") if len(data) <= _KEY_FILE_BYTES else ""
    return SeedSigner(parse_seed(text, source=f"the key file {path}"))


def generate_key_file(path: Path) -> SeedSigner:
    """A new key in the new file `path`, with mode 0600 from its first byte on.

    An existing file is never overwritten: a lost role key cannot be made again (``INPUT_UNREADABLE``).
    """
    seed = os.urandom(SEED_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_MODE)
    except FileExistsError:
        hint = "choose another name; a key file is never overwritten"
        raise unreadable(path, KEY_FILE, "it exists already", param="key", hint=hint) from None
    except OSError as error:
        hint = "choose a place that you can write to"
        raise unreadable(path, KEY_FILE, error.strerror or "cannot be made", param="key", hint=hint) from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, PRIVATE_MODE)  # whatever the umask took away from the owner
        file.write(seed.hex().encode("ascii") + b"\n")
        file.flush()
        os.fsync(descriptor)
    return SeedSigner(seed)
