"""Entry bundles: up to 256 entries in one resource (C2SP tlog-tiles).

Each entry is preceded by its length, two bytes, big-endian. Nothing is between entries, before or after them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from trustlog.errors import Refused

_LENGTH: Final = struct.Struct(">H")
MAX_BUNDLE_ENTRY_BYTES: Final = 2**16 - 1


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """The bundle of these entries, each at most 65,535 bytes."""
    return b"".join(_LENGTH.pack(len(entry)) + entry for entry in entries)


def parse_bundle(body: bytes, width: int) -> list[bytes]:
    """The `width` entries that make up exactly `body`. Raises Refused(BUNDLE_MALFORMED)."""
    entries: list[bytes] = []
    offset = 0
    while offset < len(body) and len(entries) < width:
        start = offset + _LENGTH.size
        if start > len(body):
            raise _malformed("the bundle ends within a length", "2 bytes", f"{len(body) - offset}")
        (length,) = _LENGTH.unpack_from(body, offset)
        offset = start + length
        if offset > len(body):
            raise _malformed("the bundle ends within an entry", f"{length} bytes", f"{len(body) - start}")
        entries.append(body[start:offset])
    if len(entries) != width or offset != len(body):
        found = f"{len(entries)} entries and {len(body) - offset} bytes more"
        raise _malformed("the bundle has another number of entries", f"{width} entries", found)
    return entries


def _malformed(detail: str, expected: str, found: str) -> Refused:
    return Refused("BUNDLE_MALFORMED", detail, param="entry bundle", expected=expected, found=found)
