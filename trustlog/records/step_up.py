"""Fresh identity-provider evidence for one approval, as the gate saw it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from trustlog.records.fields import Hash, Line, Seconds, Subject
from trustlog.records.kind import Kind, OwnRecord, by_schema, claim


class StepUp(OwnRecord, frozen=True, kw_only=True):
    """``token_salted_hash`` = SHA-256 of salt ‖ ``.`` ‖ compact token; ``auth_time`` in seconds since 1970."""

    record: Literal["trustlog/step_up/v1"]
    approval_b64u: Hash
    subject: Subject
    issuer: Line
    subject_hash: Hash
    acr: Annotated[list[Line], Meta(max_length=16)]
    auth_time: Seconds
    token_salted_hash: Hash
    jwks_b64u: Hash


STEP_UP: Final = Kind(
    "step_up",
    by_schema(StepUp),
    ("gates",),
    own=True,
    refs=lambda record, _payload_hash: {"target": record.approval_b64u},
    claims=lambda record, signer_did, payload_hash: [
        claim("payload.approval_b64u", "step_up", record.approval_b64u, value=(signer_did, payload_hash))
    ],
)
