"""All keys that entries hold, in memory: which entry may hold a key, in about twelve bytes a key.

Keys are SHA-256 values, so they have no order, and a table of them on the disk would be written all over at every batch. Here
a key is found by nine of its bytes in a bucket of a few hundred bytes, by a search at the speed of ``memchr``. Nine bytes can
coincide: what is found is a hint, to be confirmed by the keys stored beside the entry.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import Final, Self

_INDEX_BYTES: Final = 5  # 2^40 entries
_FINGERPRINT: Final = slice(2, 9)
_RECORD: Final = 7 + _INDEX_BYTES
_BUCKET: Final = struct.Struct(">2sI")
_IDENTITY: Final = struct.Struct("2s7s23x")
_CLAIM: Final = struct.Struct("B2s7s55x")


class KeyTable:
    """A multimap from 32-byte keys to indexes that only grows. One million entries with two keys each take some 30 MB."""

    def __init__(self) -> None:
        self._buckets: defaultdict[bytes, bytearray] = defaultdict(bytearray)

    def add(self, key: bytes, index: int) -> None:
        """Say that the entry at `index` holds `key`."""
        self._buckets[key[:2]] += key[_FINGERPRINT] + index.to_bytes(_INDEX_BYTES, "big")

    def load(self, first: int, identities: bytes, claims: bytes) -> None:
        """Add a row of ``keys`` (:mod:`trustlog.storage.schema`): what :meth:`add` would, some times faster."""
        buckets = self._buckets
        indexes = [index.to_bytes(_INDEX_BYTES, "big") for index in range(first, first + len(identities) // 32)]
        for (prefix, fingerprint), index in zip(_IDENTITY.iter_unpack(identities), indexes, strict=True):
            buckets[prefix] += fingerprint + index
        for position, prefix, fingerprint in _CLAIM.iter_unpack(claims):
            buckets[prefix] += fingerprint + indexes[position]

    def encode(self) -> bytes:
        """The table as bytes, for :meth:`decode`."""
        heads = [_BUCKET.pack(prefix, len(bucket)) for prefix, bucket in self._buckets.items()]
        return b"".join([len(heads).to_bytes(4, "big"), *heads, *self._buckets.values()])

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """The table that :meth:`encode` wrote."""
        table = cls()
        count = int.from_bytes(data[:4], "big")
        at = 4 + count * _BUCKET.size
        for prefix, size in _BUCKET.iter_unpack(data[4:at]):
            table._buckets[prefix] = bytearray(data[at : at + size])
            at += size
        return table

    def find(self, key: bytes) -> Iterator[int]:
        """The indexes of the entries that may hold `key`, those added first at first. Most keys give none."""
        bucket = self._buckets.get(key[:2])
        if bucket is None:
            return
        fingerprint = key[_FINGERPRINT]
        at = bucket.find(fingerprint)
        while at >= 0:
            if at % _RECORD == 0:
                yield int.from_bytes(bucket[at + 7 : at + _RECORD], "big")
            at = bucket.find(fingerprint, at + 1)

    def may_hold(self, key: bytes) -> bool:
        """Whether any entry may hold `key`: the question that nearly every key of a new entry answers with no."""
        bucket = self._buckets.get(key[:2])
        return bucket is not None and key[_FINGERPRINT] in bucket
