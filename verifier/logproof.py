"""Log proofs, `.tlog-proof`: index, inclusion proof and checkpoint in one text (c2sp.org/tlog-proof)."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.checkpoint import parse_decimal
from verifier.encodings import decode_b64
from verifier.errors import Refused
from verifier.limits import MAX_LINE_BYTES, MAX_LOG_PROOF_BYTES, MAX_PROOF_HASHES

_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class LogProof:
    """Index from 0, sibling hashes from the leaf up, the checkpoint note verbatim. `extra` is never trusted."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None


def parse_log_proof(data: bytes) -> LogProof:
    """The proof in `data`. Raises Refused LOG_PROOF_MALFORMED."""
    if len(data) > MAX_LOG_PROOF_BYTES:
        raise Refused("LOG_PROOF_MALFORMED", "log proof", expected=f"at most {MAX_LOG_PROOF_BYTES} bytes")
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Refused("LOG_PROOF_MALFORMED", "log proof", expected="ASCII lines") from None
    if not blank or not checkpoint.endswith(b"\n") or lines.pop(0) != _HEADER:
        raise Refused("LOG_PROOF_MALFORMED", "log proof", expected=f"{_HEADER}, lines, blank, checkpoint")
    if any(len(line) > MAX_LINE_BYTES for line in data.split(b"\n")):
        raise Refused("LOG_PROOF_MALFORMED", "log proof", expected=f"lines of at most {MAX_LINE_BYTES} bytes")
    try:
        extra = decode_b64(lines.pop(0)[6:], "extra") if lines and lines[0].startswith("extra ") else None
        index = parse_decimal(lines.pop(0)[6:]) if lines and lines[0].startswith("index ") else None
        hashes = tuple(decode_b64(line, "hash", length=32) for line in lines)
    except Refused as error:
        raise Refused("LOG_PROOF_MALFORMED", error.detail, expected=error.expected) from None
    if index is None or extra == b"" or len(hashes) > MAX_PROOF_HASHES:
        raise Refused("LOG_PROOF_MALFORMED", "log proof", expected="an index line and at most 63 hashes")
    return LogProof(index, hashes, checkpoint, extra)
