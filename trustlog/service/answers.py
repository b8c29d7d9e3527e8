"""What the submitter of an entry gets, as JSON: written by hand, because it is written some thousand times a second.

All answers of one batch share their checkpoint and the upper part of their proofs, so each of these is written once.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trustlog.errors import TrustlogError
from trustlog.formats.base64 import encode_b64, encode_b64u
from trustlog.log.link import Batch, Submitted
from trustlog.log.logged import Logged, logged_of
from trustlog.log.verified import VerifiedReader
from trustlog.merkle.growth import Growth

_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def answer_of(logged: Logged) -> Mapping[str, Any]:
    """The answer about one entry, as a value."""
    answer: dict[str, Any] = {
        "index": logged.index,
        "leaf_hash_b64u": encode_b64u(logged.leaf_hash),
        "entry": logged.entry.decode("ascii"),
        "already_logged": logged.already_logged,
        "tree_size": logged.tree.size,
        "checkpoint": logged.tree.note.decode("utf-8"),
        "inclusion_proof": [encode_b64(node) for node in logged.inclusion_proof],
    }
    if logged.attachments is not None:
        answer["attachments"] = msgspec.Raw(logged.attachments)
    return answer


class AnswerWriter:
    """Writes the answers of batches; remembers what the answers of the last batch shared."""

    def __init__(self, reader: VerifiedReader) -> None:
        self._reader = reader
        self._batch: Batch | None = None
        self._shared: _SharedText | None = None

    def write(self, submitted: Submitted, position: int) -> bytes | TrustlogError:
        """The answer about the offer at `position`, in one line, or why it is not in the log."""
        outcome = submitted.outcomes[position]
        if isinstance(outcome, TrustlogError):
            return outcome
        growth = submitted.batch.growth
        if outcome.already_logged or growth is None:
            logged = logged_of(self._reader, submitted, position)
            return logged if isinstance(logged, TrustlogError) else msgspec.json.encode(answer_of(logged))
        if self._batch is not submitted.batch or self._shared is None:
            self._batch, self._shared = submitted.batch, _SharedText(submitted.batch, growth)
        offer = submitted.offers[position]
        return self._shared.answer(outcome.index, offer.entry, offer.attachments)


class _SharedText:
    """The text that the answers about one batch share."""

    def __init__(self, batch: Batch, growth: Growth) -> None:
        self._growth = growth
        self._leaf_hashes = growth.leaf_hashes
        self._middle = b'","already_logged":false,"tree_size":%d,"checkpoint":%b,"inclusion_proof":[' % (
            batch.tree.size,
            msgspec.json.encode(batch.tree.note.decode("utf-8")),
        )
        self._proofs: list[dict[int, bytes]] = [{} for _ in growth.rows]

    def answer(self, index: int, entry: bytes, attachments: bytes | None) -> bytes:
        """The answer about a new entry. An entry needs no escapes but for its quotation marks."""
        leaf_hash = self._leaf_hashes[index - self._growth.old_size]
        return b'{"index":%d,"leaf_hash_b64u":"%b","entry":"%b%b%b]%b}' % (
            index,
            binascii.b2a_base64(leaf_hash, newline=False)[:43].translate(_URL_SAFE),
            entry.replace(b'"', b'\\"'),
            self._middle,
            self._proof(index),
            b"" if attachments is None else b',"attachments":' + attachments,
        )

    def _proof(self, index: int, level: int = 0) -> bytes:
        """The inclusion proof from node `index` of `level` on: its sibling, and the proof of its parent, kept for the other one."""
        above = level + 1
        if above < len(self._proofs):
            parents, parent = self._proofs[above], index >> 1
            text = parents.get(parent)
            if text is None:
                text = parents[parent] = self._proof(parent, above)
        else:
            text = b""
        row, sibling = self._growth.rows[level], (index ^ 1) - self._growth.starts[level]
        if not 0 <= sibling < len(row):
            return text
        own = b'"%b"' % binascii.b2a_base64(row[sibling], newline=False)
        return own + b"," + text if text else own
