"""Finding entries and payloads: the derived index says where to look, the log says what is there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.storage.connection import StorageFailed
from trustlog.storage.index import DerivedIndex
from trustlog.storage.log_reader import LogReader, StoredEntry


class Erased(Refused):
    """The payload was erased on purpose: the tombstone at `index` says why."""

    def __init__(self, sha256_b64u: str, index: int) -> None:
        super().__init__(
            "GONE_ERASED", f"the payload was erased; entry {index} says why", param="payload", found=sha256_b64u
        )
        self.index = index


def find_entries(
    reader: LogReader, index: DerivedIndex, terms: Mapping[str, str], *, start: int, end: int, limit: int
) -> list[tuple[int, bytes]]:
    """The first `limit` entries of [start, end) that have all of `terms`, ascending, with their indexes."""
    if not terms:
        return list(enumerate(reader.entries(start, min(start + limit, end)), start=start)) if start < end else []
    found = [(at, reader.entry(at)) for at in index.search(terms, start, end, limit)]
    return [(at, entry) for at, entry in found if entry is not None]


def find_payload(reader: LogReader, index: DerivedIndex, sha256: bytes, *, end: int) -> bytes | None:
    """The bytes with this SHA-256 (32 bytes): of an entry below `end`, or stored on their own; None where nothing names them.

    Raises Erased for what a tombstone below `end` explains, StorageFailed(LOG_CORRUPT) for bytes with another hash.
    """
    name = encode_b64u(sha256)
    data = reader.blob(sha256)
    if data is None:
        entry = find_entry_of_payload(reader, index, name, end=end)
        data = None if entry is None else entry.payload
    if data is not None:
        if hashlib.sha256(data).digest() != sha256:
            raise StorageFailed("LOG_CORRUPT", "a stored payload has another hash", param="payload", expected=name)
        return data
    tombstones = index.search({"target": name, "kind": "tombstone"}, 0, end, 1)
    if tombstones:
        raise Erased(name, tombstones[0])
    return None


def find_entry_of_payload(
    reader: LogReader, index: DerivedIndex, sha256_b64u: str, *, end: int, kind: str | None = None
) -> StoredEntry | None:
    """The lowest-indexed entry below `end` with this payload (and of this `kind`)."""
    terms = {"payload_hash": sha256_b64u} if kind is None else {"payload_hash": sha256_b64u, "kind": kind}
    places = index.search(terms, 0, end, 1)
    return reader.stored(places[0]) if places else None
