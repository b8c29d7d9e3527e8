"""Checkpoints: what a log signs about its tree (C2SP tlog-checkpoint).

Three lines: origin, tree size, root hash in base64. There is no time in it. We write no extension lines; those of other logs
are kept as they are, for the signature covers them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64, encode_b64
from trustlog.merkle.hashing import EMPTY_ROOT, HASH_SIZE

MAX_TREE_SIZE: Final = 2**63 - 1

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree of a log: its origin, its size in leaves, its root hash (32 bytes)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The note text."""
        lines = (self.origin, str(self.size), encode_b64(self.root), *self.extensions)
        return "".join(line + "\n" for line in lines).encode()


def parse_checkpoint(text: bytes) -> Checkpoint:
    """The checkpoint that a note's text is. Raises Refused(CHECKPOINT_MALFORMED).

    The text of a note that nobody verified says nothing: open the note first.
    """
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise _malformed("not UTF-8", "UTF-8", "other bytes") from None
    if len(lines) < 4 or lines.pop() != "" or not all(lines):
        raise _malformed("not three lines", "origin, size and root hash, a line each", "something else")
    origin, size, root = lines[:3]
    if not _SIZE.fullmatch(size) or int(size) > MAX_TREE_SIZE:
        raise _malformed("not a tree size", "a decimal number without leading zeros, below 2^63", size)
    try:
        root_hash = decode_b64(root, "root hash", HASH_SIZE)
    except Refused:
        raise _malformed("not a root hash", "standard base64 of 32 bytes", root) from None
    if size == "0" and root_hash != EMPTY_ROOT:
        raise _malformed("the root hash of the empty tree is wrong", encode_b64(EMPTY_ROOT), root)
    return Checkpoint(origin, int(size), root_hash, tuple(lines[3:]))


def _malformed(detail: str, expected: str, found: str) -> Refused:
    return Refused("CHECKPOINT_MALFORMED", detail, param="checkpoint", expected=expected, found=found)
