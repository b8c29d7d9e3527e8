"""The receipts of the load: real gateway receipts of one size, each another, signed in turn by a few gateways."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.envelope import Signer, parse_envelope, seal_text
from trustlog.formats.jsontext import canonicalize
from trustlog.merkle.hashing import hash_leaf
from trustlog.records.candidate import read_candidate

ENVELOPE_BYTES: Final = 1024  # what proxies in the field send is about this large
_KIND: Final = "gateway_receipt"


class ReceiptMaker:
    """Makes signed receipts numbered from 0, all of one length, and the leaf hashes that a log must answer for them.

    One receipt goes the way of every submission; the others are that one with their own id, hashes and signature in its places.
    `run` (plain characters) sets one run of the bench apart from all others; `issued_at` is an RFC 3339 time.
    """

    def __init__(self, signer: Signer, *, run: str, issued_at: str, origin: str) -> None:
        self._signer = signer
        self._run = run
        values = self._values(0)
        padding = ENVELOPE_BYTES - len(seal_text(_KIND, _payload_text(values, 0), signer, issued_at))
        text = _payload_text(values, padding)
        envelope = seal_text(_KIND, text, signer, issued_at)
        candidate = read_candidate(parse_envelope(envelope), origin=origin)
        entry = candidate.entry.encode()
        own = {"hash": candidate.payload_hash_b64u.encode(), "signature": encode_b64u(candidate.signature).encode()}
        self._text = _template(text, values)
        self._envelope = _template(envelope, {"text": text, **own})
        self._entry = _template(entry, {"id": values["id"], **own})
        self.payload_bytes, self.entry_bytes, self.envelope_bytes = len(text), len(entry), len(envelope)
        assert self.make(0) == (envelope, candidate.entry.leaf_hash)

    def make(self, number: int) -> tuple[bytes, bytes]:
        """The envelope of receipt `number`, and the leaf hash (32 bytes) of its entry."""
        values = self._values(number)
        text = _fill(self._text, values)
        payload_hash = encode_b64u(hashlib.sha256(text).digest()).encode()
        own = {"hash": payload_hash, "signature": encode_b64u(self._signer.sign(payload_hash)).encode()}
        envelope = _fill(self._envelope, {"text": text, **own})
        return envelope, hash_leaf(_fill(self._entry, {"id": values["id"], **own}))

    def receipt_id(self, number: int) -> str:
        """The id of receipt `number`."""
        return f"bench-{self._run}-{number:08d}"

    def _values(self, number: int) -> dict[str, bytes]:
        """What differs from receipt to receipt."""
        receipt_id = self.receipt_id(number).encode()
        hashes = {part: hashlib.sha256(part.encode() + receipt_id).digest() for part in ("event", "request", "response")}
        return {"id": receipt_id, **{part: encode_b64u(digest).encode() for part, digest in hashes.items()}}


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that another process needs to make the same receipts: who signs, which run it is, when, for which log."""

    signers: tuple[Signer, ...]
    run: str
    issued_at: str
    origin: str

    def makers(self) -> ReceiptMakers:
        """What makes them."""
        return ReceiptMakers(self)


class ReceiptMakers:
    """The makers of a recipe, taking turns."""

    def __init__(self, recipe: Recipe) -> None:
        self._makers = [
            ReceiptMaker(signer, run=recipe.run, issued_at=recipe.issued_at, origin=recipe.origin)
            for signer in recipe.signers
        ]
        first = self._makers[0]
        self.payload_bytes, self.entry_bytes, self.envelope_bytes = (
            first.payload_bytes,
            first.entry_bytes,
            first.envelope_bytes,
        )

    def make(self, number: int) -> tuple[bytes, bytes]:
        """The envelope of receipt `number`, and the leaf hash (32 bytes) of its entry."""
        return self._makers[number % len(self._makers)].make(number)


def _payload_text(values: dict[str, bytes], padding: int) -> bytes:
    """The RFC 8785 text of one receipt."""
    said = {name: value.decode() for name, value in values.items()}
    return canonicalize(
        {
            "receipt_version": "1",
            "receipt_id": said["id"],
            "gateway_id": "trustlog-bench",
            "provider": "none",
            "model": "none",
            "request_hash_b64u": said["request"],
            "response_hash_b64u": said["response"],
            "tokens_input": 1000,
            "tokens_output": 1000,
            "latency_ms": 1000,
            "timestamp": "2026-01-01T00:00:00.000Z",
            "binding": {"run_id": "trustlog-bench", "event_hash_b64u": said["event"]},
            "metadata": {"padding": "x" * max(padding, 0)},
        }
    )


def _template(text: bytes, values: dict[str, bytes]) -> bytes:
    """The text with a named place for each of `values`, each of which stands in it once."""
    assert b"%" not in text
    for name, value in values.items():
        assert text.count(value) == 1, name
        text = text.replace(value, b"%%(%s)b" % name.encode())
    return text


def _fill(template: bytes, values: dict[str, bytes]) -> bytes:
    return template % {name.encode(): value for name, value in values.items()}
