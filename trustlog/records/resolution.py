"""A person of the roster has looked into an execution whose outcome was lost."""

from __future__ import annotations

from typing import Final, Literal

from trustlog.records.fields import Hash, Note
from trustlog.records.kind import PERSON, Kind, OwnRecord, by_schema, claim


class Resolution(OwnRecord, frozen=True, kw_only=True):
    """``begin_b64u`` is the ``begin`` without an ``end``; afterwards it counts as ended with failure."""

    record: Literal["trustlog/resolution/v1"]
    begin_b64u: Hash
    note: Note


RESOLUTION: Final = Kind(
    "resolution",
    by_schema(Resolution),
    (PERSON,),
    own=True,
    refs=lambda record, _payload_hash: {"target": record.begin_b64u},
    claims=lambda record, signer_did, payload_hash: [
        claim("payload.begin_b64u", "resolution", record.begin_b64u, value=(signer_did, payload_hash))
    ],
)
