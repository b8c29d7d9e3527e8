"""A payload was erased: which, why, under which rule. It explains an absence and satisfies nothing."""

from __future__ import annotations

from typing import Final, Literal

from trustlog.records.fields import Hash, Index, Line, Note
from trustlog.records.kind import Kind, OwnRecord, by_schema, claim


class Tombstone(OwnRecord, frozen=True, kw_only=True):
    """``index`` and ``leaf_hash_b64u`` are of the entry with that payload, else of the first entry that names it."""

    record: Literal["trustlog/tombstone/v1"]
    payload_b64u: Hash
    index: Index
    leaf_hash_b64u: Hash
    rule: Line
    reason: Note


TOMBSTONE: Final = Kind(
    "tombstone",
    by_schema(Tombstone),
    ("custodians",),
    own=True,
    refs=lambda record, _payload_hash: {"target": record.payload_b64u},
    claims=lambda record, signer_did, payload_hash: [
        claim("payload.payload_b64u", "tombstone", record.payload_b64u, value=(signer_did, payload_hash))
    ],
)
