"""How far a whole log was read, so that reading can go on after an interruption: the progress file.

It holds the right edge of what was read, which commits to every entry below it. Reading on from there to a signed root
proves that the log still holds what was read. It covers only what was found in order: a fault is found again.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from verifier.checkpoint import Checkpoint
from verifier.edge import RightEdge
from verifier.encodings import decode_b64, encode_b64
from verifier.errors import Refused, Unusable
from verifier.files import read_own, write_whole
from verifier.jsonforms import canonicalize
from verifier.jsontext import parse_object
from verifier.tiles import TILE_WIDTH
from verifier.trust import TrustPolicy
from verifier.trustedcheckpoint import open_checkpoint

FORMAT = "trustlog-verify/progress/v1"
MAX_BYTES = 1 << 20  # eight rows of 255 hashes and a checkpoint with a hundred signatures are less
SAVE_EVERY_S = 2.0
_MEMBERS = {"format", "checkpoint", "depth", "edge", "origin", "sha256", "size"}


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run had read: every entry below `size` of the tree of `note`, to the depth of its options."""

    origin: str
    depth: str
    note: bytes
    size: int
    rows: tuple[tuple[bytes, ...], ...]

    def encode(self) -> bytes:
        """One line of RFC 8785, with the hash of the rest in it."""
        document = {
            "format": FORMAT,
            "origin": self.origin,
            "depth": self.depth,
            "checkpoint": self.note.decode("utf-8"),
            "size": self.size,
            "edge": [[encode_b64(node) for node in row] for row in self.rows],
        }
        digest = hashlib.sha256(canonicalize(document)).hexdigest()
        return canonicalize({**document, "sha256": digest}) + b"\n"


def parse_progress(data: bytes) -> Progress:
    """The progress in `data`. Raises Refused SCHEMA_VALIDATION_FAILED, HASH_MISMATCH or a code of JSON or base64."""
    document = parse_object(data, "progress")
    stated = document.pop("sha256", None)
    if {*document, "sha256"} != _MEMBERS or document["format"] != FORMAT:
        raise Refused("SCHEMA_VALIDATION_FAILED", "progress", expected=f"the members of {FORMAT}")
    digest = hashlib.sha256(canonicalize(document)).hexdigest()
    if stated != digest:
        raise Refused("HASH_MISMATCH", "progress", expected=digest, found=str(stated)[:64])
    origin, depth, note, size = (document[name] for name in ("origin", "depth", "checkpoint", "size"))
    if not (isinstance(origin, str) and isinstance(depth, str) and isinstance(note, str) and isinstance(size, int)):
        raise Refused("SCHEMA_VALIDATION_FAILED", "progress", expected="origin, depth, checkpoint, size")
    progress = Progress(origin, depth, note.encode("utf-8"), size, _parse_rows(document["edge"]))
    if RightEdge(progress.rows).size != size or progress.encode() != data:
        raise Refused("SCHEMA_VALIDATION_FAILED", "progress", expected="the edge of its size, in its one spelling")
    return progress


def _parse_rows(value: object) -> tuple[tuple[bytes, ...], ...]:
    if not isinstance(value, list) or len(value) > 7 or not all(isinstance(row, list) for row in value):
        raise Refused("SCHEMA_VALIDATION_FAILED", "edge", expected="at most 7 rows of hashes")
    if any(len(row) >= TILE_WIDTH or not all(isinstance(node, str) for node in row) for row in value):
        raise Refused("SCHEMA_VALIDATION_FAILED", "edge", expected="rows of less than 256 hashes")
    return tuple(tuple(decode_b64(node, "edge", length=32) for node in row) for row in value)


class ProgressFile:
    """One progress file: read at the beginning, replaced whole every few seconds and at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._saved_at = time.monotonic()

    def read(self, trust: TrustPolicy, *, depth: str) -> tuple[Progress, Checkpoint] | None:
        """What an earlier run had read and its checkpoint, or None if there is no file.

        Raises Unusable for a file that is damaged, of another log, or written under other options.
        """
        data = read_own(self._name, MAX_BYTES)
        if data is None:
            return None
        try:
            progress = parse_progress(data)
            checkpoint = open_checkpoint(progress.note, trust, need_quorum=False).checkpoint
        except Refused as error:
            found = f"{error.code} ({error.detail})"
            raise Unusable(
                "INPUT_UNREADABLE", self._name, expected="undamaged progress of a log that is pinned", found=found
            ) from None
        if progress.origin != checkpoint.origin or progress.size > checkpoint.size:
            raise Unusable("INPUT_UNREADABLE", self._name, expected="progress within its own checkpoint")
        if progress.depth != depth:
            raise Unusable(
                "PARAMETER_INVALID", "--resume", expected=f"progress of {depth}", found=f"of {progress.depth[:64]}"
            )
        return progress, checkpoint

    def is_due(self) -> bool:
        """Whether it was saved some seconds ago, or never."""
        return time.monotonic() - self._saved_at >= SAVE_EVERY_S

    def save(self, progress: Progress) -> None:
        """Replace the file. Raises Unusable INPUT_UNREADABLE."""
        self._saved_at = time.monotonic()
        write_whole(self._name, progress.encode())

    def remove(self) -> None:
        """Forget what was read; where that is not allowed, the next run may find the same fault again."""
        with suppress(OSError):
            Path(self._name).unlink(missing_ok=True)
