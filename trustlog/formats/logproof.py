"""Log proofs: that an entry is in a log, in one file that is checked offline (C2SP tlog-proof, ``.tlog-proof``).

The index, the inclusion proof and the checkpoint to which it leads, with all its signatures. It does not hold the entry: the
checker brings that, and the trust policy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64, encode_b64
from trustlog.formats.checkpoint import MAX_TREE_SIZE
from trustlog.formats.trustpolicy import TrustedCheckpoint, TrustPolicy, open_checkpoint
from trustlog.limits import MAX_NOTE_BYTES
from trustlog.merkle.hashing import HASH_SIZE
from trustlog.merkle.proofs import check_inclusion

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_LOG_PROOF_BYTES: Final = 2 * MAX_NOTE_BYTES  # the checkpoint, 63 hashes, and extra data of moderate size
MAX_PROOF_HASHES: Final = 63  # the deepest tree has 2^63 - 1 leaves

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class LogProof:
    """A parsed log proof: `hashes` of 32 bytes, the sibling of the leaf first; `checkpoint` is the signed note, unopened.

    `extra` is authenticated by nothing.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """The content of the file."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {encode_b64(self.extra)}")
        lines += [f"index {self.index}", *(encode_b64(h) for h in self.hashes), ""]
        return "".join(line + "\n" for line in lines).encode() + self.checkpoint


def parse_log_proof(body: bytes) -> LogProof:
    """The log proof that a file holds. Raises Refused(LOG_PROOF_MALFORMED). Nothing in it is verified."""
    if len(body) > MAX_LOG_PROOF_BYTES:
        raise _malformed("the file is too long", f"at most {MAX_LOG_PROOF_BYTES} bytes", f"{len(body)} bytes")
    head, blank, checkpoint = body.partition(b"\n\n")
    if not blank or not checkpoint.endswith(b"\n"):
        raise _malformed("no checkpoint", "lines, an empty line, a checkpoint", "something else")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise _malformed("foreign characters before the checkpoint", "ASCII", "other bytes") from None
    if lines.pop(0) != HEADER:
        raise _malformed("not a log proof", HEADER, head[:80].decode("ascii", "replace"))
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _decode(lines.pop(0).removeprefix("extra "), "extra", None)
    match = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if match is None or int(match[1]) >= MAX_TREE_SIZE:
        raise _malformed("no index", "index <n>, without leading zeros, below 2^63 - 1", "another line")
    if len(lines) > MAX_PROOF_HASHES:
        raise _malformed("too many hashes", f"at most {MAX_PROOF_HASHES}", str(len(lines)))
    return LogProof(int(match[1]), tuple(_decode(line, "hash", HASH_SIZE) for line in lines), checkpoint, extra)


def check_log_proof(proof: LogProof, leaf_hash: bytes, trust: TrustPolicy) -> TrustedCheckpoint:
    """Check that the entry with `leaf_hash` is in the trusted log at the proof's index; the checkpoint that says so.

    Raises what :func:`~trustlog.formats.trustpolicy.open_checkpoint` raises, and Refused(INCLUSION_PROOF_INVALID).
    """
    trusted = open_checkpoint(proof.checkpoint, trust)
    check_inclusion(proof.hashes, proof.index, trusted.checkpoint.size, leaf_hash, trusted.checkpoint.root)
    return trusted


def _decode(text: str, what: str, size: int | None) -> bytes:
    try:
        data = decode_b64(text, what, size)
    except Refused as refused:
        raise _malformed(refused.detail, refused.expected or "standard base64", text) from None
    if not data:
        raise _malformed(f"{what} is empty", "data, or no such line", "nothing")
    return data


def _malformed(detail: str, expected: str, found: str) -> Refused:
    return Refused("LOG_PROOF_MALFORMED", detail, param="log proof", expected=expected, found=found)
