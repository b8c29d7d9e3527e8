"""Cosignatures of witnesses, version 1, under Ed25519 (C2SP tlog-cosignature, type 0x04).

A witness that cosigns a checkpoint says: as of this time, this is the largest consistent tree of this log that I have seen. In
a note its signature is the 8-byte big-endian POSIX time and an Ed25519 signature over a header, the time and the whole
checkpoint text.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.ed25519 import verify_ed25519

_TIME: Final = struct.Struct(">Q")
_MAX_TIME_S: Final = 2**63 - 1
_ED25519_BYTES: Final = 64


def cosigned_message(checkpoint_text: bytes, time_s: int) -> bytes:
    """What a version 1 cosignature signs."""
    return b"cosignature/v1\ntime %d\n" % time_s + checkpoint_text


def check_cosignature(public_key: bytes, checkpoint_text: bytes, signature: bytes) -> int:
    """The POSIX time at which `public_key` (32 bytes) cosigned. Raises Refused(NOTE_UNVERIFIED)."""
    if len(signature) != _TIME.size + _ED25519_BYTES:
        found = f"{len(signature)} bytes"
        raise Refused("NOTE_UNVERIFIED", "a cosignature has a wrong length", expected="8 + 64 bytes", found=found)
    (time_s,) = _TIME.unpack_from(signature)
    message = cosigned_message(checkpoint_text, time_s)
    if time_s > _MAX_TIME_S or not verify_ed25519(public_key, message, signature[_TIME.size :]):
        raise Refused("NOTE_UNVERIFIED", "a witness's cosignature is wrong")
    return int(time_s)


def cosign(sign: Callable[[bytes], bytes], checkpoint_text: bytes, time_s: int) -> bytes:
    """The 72 bytes of a cosignature at a POSIX time; `sign` is Ed25519 with the witness's key."""
    assert 0 <= time_s <= _MAX_TIME_S
    return _TIME.pack(time_s) + sign(cosigned_message(checkpoint_text, time_s))
