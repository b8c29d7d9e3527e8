"""Entries that share terms in all the ways that a search can meet, and the search that needs no index."""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.entry import REF_NAMES, Entry, parse_entry
from trustlog.merkle.hashing import hash_leaf
from trustlog.storage.log_reader import StoredEntry

KINDS = ("gateway_receipt", "tombstone", "simulation")
_DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


@dataclass
class ListedLog:
    """Entries in memory; what :class:`LogReader` offers to an index."""

    data: list[bytes] = field(default_factory=list)
    payloads: dict[int, bytes] = field(default_factory=dict)

    def entry(self, index: int) -> bytes | None:
        return self.data[index] if 0 <= index < len(self.data) else None

    def entries(self, start: int, end: int) -> list[bytes]:
        assert end <= len(self.data)
        return self.data[start:end]

    def stored(self, index: int) -> StoredEntry | None:
        entry = self.entry(index)
        return None if entry is None else StoredEntry(index, entry, self.payloads.get(index, b"{}"), None)


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - repeatable on purpose


def make_entry(rng: random.Random, **refs: str) -> bytes:
    return Entry(
        kind=rng.choices(KINDS, (8, 1, 1))[0],
        payload_hash=rng.randbytes(32) if rng.random() < 0.9 else bytes(32),
        refs={name: refs[name] for name in REF_NAMES if name in refs},
        signature=rng.randbytes(64),
        signer_did=_DID,
    ).encode()


def make_log(seed: int, size: int) -> ListedLog:
    """`size` entries: each ref name is there or not, its values common, seldom, or met once."""
    rng = seeded(seed)

    def value(name: str, at: int) -> str:
        return rng.choice((f"{name}-common", f"{name}:{rng.randrange(10)}", f"{name}/{at}", "shared"))

    return ListedLog(
        [
            make_entry(rng, **{name: value(name, at) for name in REF_NAMES if rng.random() < rng.choice((0.0, 0.3, 1.0))})
            for at in range(size)
        ]
    )


@functools.cache
def terms_of(data: bytes) -> dict[str, str]:
    """Every term by which the entry `data` can be found."""
    entry = parse_entry(data)
    fixed = {"kind": entry.kind, "payload_hash": encode_b64u(entry.payload_hash), "leaf_hash": encode_b64u(hash_leaf(data))}
    return fixed | dict(entry.refs)


def scan(entries: Sequence[bytes], terms: Mapping[str, str], start: int, end: int, limit: int) -> list[int]:
    """What a search must answer."""
    found = [at for at in range(start, min(end, len(entries))) if terms.items() <= terms_of(entries[at]).items()]
    return found[:limit]
