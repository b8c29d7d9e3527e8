"""A segment: neighbouring entries of one entry bundle, with all that is stored beside them, as one row of ``log.db``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from trustlog.errors import Refused
from trustlog.formats.bundle import encode_bundle, parse_bundle
from trustlog.merkle.tiles import TILE_WIDTH
from trustlog.storage.connection import StorageFailed

HASH_SIZE: Final = 32
SEGMENT_BYTES: Final = 1024 * 1024  # of payloads, from which on a segment ends: who asks for one of them reads all
CLAIM_SIZE: Final = 1 + 2 * HASH_SIZE
_ABSENT: Final = b"\xff\xff\xff\xff"


class NewEntry(msgspec.Struct, frozen=True, gc=False):
    """One entry to append, with all that is stored beside it.

    `identity` is its identity key, `claims` are the further (key, value) rows that it takes, 32 bytes each; `governs` says that
    its payload decides on others and must be read again at every start; `attachments` is JSON or None.
    """

    entry: bytes
    payload: bytes
    attachments: bytes | None
    identity: bytes
    claims: Sequence[tuple[bytes, bytes]]
    governs: bool


def split_at_bundles(first_index: int, entries: Sequence[NewEntry]) -> Iterator[tuple[int, Sequence[NewEntry]]]:
    """The entries from `first_index` on, cut where an entry bundle ends or a segment becomes large: first index and entries."""
    start = size = 0
    for position, new in enumerate(entries):
        size += len(new.payload)
        if size >= SEGMENT_BYTES or (first_index + position + 1) % TILE_WIDTH == 0 or position + 1 == len(entries):
            yield first_index + start, entries[start : position + 1]
            start, size = position + 1, 0


def segment_row(first: int, entries: Sequence[NewEntry]) -> tuple[int, int, bytes, bytes, bytes]:
    """The row of ``segments``."""
    return (
        first,
        len(entries),
        encode_bundle([new.entry for new in entries]),
        encode_slots([new.payload for new in entries]),
        encode_slots([new.attachments for new in entries]),
    )


def keys_row(first: int, entries: Sequence[NewEntry]) -> tuple[int, bytes, bytes]:
    """The row of ``keys``."""
    identities = b"".join([new.identity for new in entries])
    claims = [bytes((position,)) + key + value for position, new in enumerate(entries) for key, value in new.claims]
    return first, identities, b"".join(claims)


def split_keys(first: int, identities: bytes, claims: bytes) -> Iterator[tuple[bytes, bytes | None, int]]:
    """Each key of a row of ``keys``, what it holds (None: it is an identity), and the index of the entry that took it."""
    for start in range(0, len(identities), HASH_SIZE):
        yield identities[start : start + HASH_SIZE], None, first + start // HASH_SIZE
    for start in range(0, len(claims), CLAIM_SIZE):
        key = claims[start + 1 : start + 1 + HASH_SIZE]
        yield key, claims[start + 1 + HASH_SIZE : start + CLAIM_SIZE], first + claims[start]


def split_entries(first: int, count: int, entries: bytes) -> list[bytes]:
    """The entries of a row of ``segments``. Raises StorageFailed(LOG_CORRUPT)."""
    try:
        return parse_bundle(entries, count)
    except Refused as error:
        raise _corrupt(first, error.detail) from error


def encode_slots(slots: Iterable[bytes | None]) -> bytes:
    """Each after its length, four bytes, big-endian; None as the length ffffffff alone."""
    return b"".join([_ABSENT if slot is None else len(slot).to_bytes(4, "big") + slot for slot in slots])


def split_slots(first: int, count: int, data: bytes) -> list[bytes | None]:
    """What :func:`encode_slots` joined: `count` slots of the segment at `first`. Raises StorageFailed(LOG_CORRUPT)."""
    slots: list[bytes | None] = []
    offset = 0
    while offset < len(data):
        head = data[offset : offset + 4]
        offset += 4
        if head == _ABSENT:
            slots.append(None)
        else:
            end = offset + int.from_bytes(head, "big")
            slots.append(data[offset:end])
            offset = end
    if len(slots) != count or offset != len(data):
        raise _corrupt(first, f"{len(slots)} slots where {count} entries are")
    return slots


def _corrupt(first: int, detail: str) -> StorageFailed:
    return StorageFailed("LOG_CORRUPT", f"the segment at {first} cannot be read: {detail}", param="segments")
