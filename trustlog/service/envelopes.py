"""An envelope put together again from what was logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.entry import Entry

DATES: Final = ("issued_at", "expires_at")


def write_envelope(
    entry: Entry, payload_text: bytes, attachments: bytes | None, *, dates: Sequence[str] = DATES
) -> msgspec.Raw:
    """The signed envelope of an entry, around the payload's exact text; its unsigned `dates` are those kept at admission."""
    kept = msgspec.json.decode(attachments) if attachments is not None else {}
    members = {
        "envelope_version": "1",
        "envelope_type": entry.kind,
        "payload": msgspec.Raw(payload_text),
        "payload_hash_b64u": encode_b64u(entry.payload_hash),
        "hash_algorithm": "SHA-256",
        "signature_b64u": encode_b64u(entry.signature),
        "algorithm": "Ed25519",
        "signer_did": entry.signer_did,
        **{name: kept[name] for name in dates if name in kept},
    }
    return msgspec.Raw(msgspec.json.encode(members))
