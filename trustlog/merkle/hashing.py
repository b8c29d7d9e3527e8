"""Leaf hash, node hash, and the one fold that every root is made of (RFC 6962 §2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

HASH_SIZE: Final = 32
"""Bytes of a SHA-256 hash."""

EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of the tree of size 0."""


def hash_leaf(entry: bytes) -> bytes:
    """The leaf hash of an entry: SHA-256(0x00 ‖ entry). 32 bytes (RFC 6962 §2.1)."""
    return sha256(b"\x00" + entry).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """The hash of the node over `left` and `right`: SHA-256(0x01 ‖ left ‖ right). 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes], rest: bytes | None = None) -> bytes | None:
    """The root of the tree whose leaves, left to right, are `hashes` and at last `rest`.

    All of `hashes` stand for complete subtrees of one common size, at most the last, `rest`, for a smaller
    one: that is how a tree divides at any level (RFC 6962 §2.1 splits at the largest power of two smaller
    than its size). Returns `rest` when there are no `hashes`, so None means the empty tree.
    """
    row = list(hashes)
    while row:
        if len(row) % 2:  # the last has no sibling at this level: all that is right of it is `rest`
            last = row.pop()
            rest = last if rest is None else hash_node(last, rest)
        row = [hash_node(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
    return rest


def fold_complete(concatenated: bytes) -> bytes:
    """The root of the complete subtree whose leaves are the hashes in `concatenated`: a power of two of them."""
    root = fold(split_hashes(concatenated))
    assert root is not None
    return root


def split_hashes(concatenated: bytes) -> list[bytes]:
    """The 32-byte hashes in `concatenated`, whose length is a multiple of 32."""
    return [concatenated[i : i + HASH_SIZE] for i in range(0, len(concatenated), HASH_SIZE)]
