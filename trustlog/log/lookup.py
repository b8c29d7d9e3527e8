"""Finding entries and payloads: the derived index says where to look, the log says what is there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.storage.connection import StorageFailed
from trustlog.storage.index_reader import IndexReader
from trustlog.storage.index_search import Page
from trustlog.storage.log_reader import LogReader, StoredEntry


class Erased(Refused):
    """The payload was erased on purpose: the tombstone at `index` says why."""

    def __init__(self, sha256_b64u: str, index: int) -> None:
        super().__init__(
            "GONE_ERASED", f"the payload was erased; entry {index} says why", param="payload", found=sha256_b64u
        )
        self.index = index


def find_page(reader: LogReader, index: IndexReader, terms: Mapping[str, str], *, start: int, end: int, limit: int) -> Page:
    """Some of the entries of [start, end) that have all of `terms`, ascending: at most `limit`, for a bounded amount of work.

    A page may be empty and not the last: see :class:`Page`.
    """
    if terms:
        return index.find(terms, start=start, end=end, limit=limit)
    until = max(start, min(start + limit, end))
    return Page(list(enumerate(reader.entries(start, until), start=start)), until, end)


def find_entries(
    reader: LogReader, index: IndexReader, terms: Mapping[str, str], *, start: int, end: int, limit: int
) -> list[tuple[int, bytes]]:
    """The first `limit` entries of [start, end) that have all of `terms`, ascending, with their indexes.

    Raises Refused(UNAVAILABLE) if the index is being built again and does not go that far.
    """
    found: list[tuple[int, bytes]] = []
    while start < end and len(found) < limit:
        page = find_page(reader, index, terms, start=start, end=end, limit=limit - len(found))
        found += page.entries
        start = page.searched_to
        if page.complete_to <= start < end and len(found) < limit:
            raise index_behind(page.complete_to, end)
    return found


def index_behind(complete_to: int, needed: int) -> Refused:
    """The refusal of a lookup that the index cannot answer yet."""
    expected, found = f"complete to {needed}", complete_to
    return Refused(
        "UNAVAILABLE", "the index is behind, so nobody knows yet", param="index.db", expected=expected, found=found
    )


def find_payload(reader: LogReader, index: IndexReader, sha256: bytes, *, end: int) -> bytes | None:
    """The bytes with this SHA-256 (32 bytes): of an entry below `end`, or stored on their own; None where nothing names them.

    Raises Erased for what a tombstone below `end` explains, StorageFailed(LOG_CORRUPT) for bytes with another hash, and
    Refused(UNAVAILABLE) where the index does not go far enough to tell.
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
    if index.complete_to < end:
        raise index_behind(index.complete_to, end)
    return None


def find_entry_of_payload(
    reader: LogReader, index: IndexReader, sha256_b64u: str, *, end: int, kind: str | None = None
) -> StoredEntry | None:
    """The lowest-indexed entry below `end` with this payload (and of this `kind`), as far as the index goes."""
    terms = {"payload_hash": sha256_b64u} if kind is None else {"payload_hash": sha256_b64u, "kind": kind}
    places = index.search(terms, 0, end, 1)
    return reader.stored(places[0]) if places else None
