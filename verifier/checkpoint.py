"""Checkpoints: origin, tree size and root hash in a signed note (c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifier.encodings import decode_b64
from verifier.errors import Refused
from verifier.limits import MAX_TREE_SIZE
from verifier.tree import EMPTY_ROOT

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: origin, size in entries, 32-byte root hash, extension lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


def parse_decimal(text: str) -> int | None:
    """A decimal without leading zeros up to 2^63-1, or None."""
    if not _SIZE.fullmatch(text) or int(text) > MAX_TREE_SIZE:
        return None
    return int(text)


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note's text. Raises Refused CHECKPOINT_MALFORMED."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() != "" or not all(lines):
        raise Refused("CHECKPOINT_MALFORMED", "checkpoint", expected="origin, size and root lines")
    size = parse_decimal(lines[1])
    if size is None:
        raise Refused("CHECKPOINT_MALFORMED", "tree size", expected="a decimal without leading zeros")
    try:
        root = decode_b64(lines[2], "root hash", length=32)
    except Refused as error:
        raise Refused("CHECKPOINT_MALFORMED", "root hash", expected=error.expected) from None
    if size == 0 and root != EMPTY_ROOT:
        raise Refused("CHECKPOINT_MALFORMED", "root hash", expected="the root of the empty tree")
    return Checkpoint(lines[0], size, root, tuple(lines[3:]))
