"""The header of our own records, made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.timestamp import format_timestamp

SALT_BYTES: Final = 16


def own_payload(kind: str, members: Mapping[str, Any], *, origin: str, at_ns: int, salt: bytes) -> dict[str, Any]:
    """A payload of ours: the four header members, then `members`. `salt` is 16 random bytes."""
    assert len(salt) == SALT_BYTES
    header = {
        "record": f"trustlog/{kind}/v1",
        "origin": origin,
        "issued_at": format_timestamp(at_ns),
        "salt": encode_b64u(salt),
    }
    assert not header.keys() & members.keys()
    return {**header, **members}
