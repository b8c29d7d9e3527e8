"""What every record kind declares: its schema, who signs it, its refs, its conflict keys.

A *claim* is a conflict key: `key` stands for a natural id (a receipt id, a run id, a bundle under a closure), `value` for who
holds it. A later entry that claims the key with another value is a conflict; with the same value it is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from trustlog.formats.entry import ref_value
from trustlog.records.fields import UNSET, Instant, Salt, Struct, UtcInstant, convert_record, record_decoder

_encode_parts: Final = msgspec.msgpack.Encoder(enc_hook=str).encode  # a DID is a str of its own class
PERSON: Final = "person"  # a signer role: any key of a person of the roster in force
ANY_PERMITTED: Final = "permitted"  # a signer role: depends on the record's target


class Claim(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A conflict key: 32-byte `key` and `value`; `param` is the payload field that the key stands for."""

    key: bytes
    value: bytes
    param: str


class OwnRecord(Struct, frozen=True, kw_only=True):
    """The header that our own records carry beside their members.

    ``record`` is ``trustlog/<kind>/v1``, ``origin`` the log's, ``issued_at`` the signer's time, ``salt`` 16 random bytes.
    """

    record: str
    origin: str
    issued_at: UtcInstant
    salt: Salt


def by_schema(schema: type[msgspec.Struct]) -> Callable[[Any, bytes], Any]:
    """The reader of a kind whose schema says everything: of the text, which is faster, and of the value where it refuses."""
    decode = record_decoder(schema)

    def read(value: Any, payload_text: bytes) -> Any:
        try:
            return decode(payload_text)
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            return convert_record(value, schema)

    return read


def no_refs(_record: Any, _payload_hash: str) -> Mapping[str, object]:
    """No lookup keys."""
    return {}


def no_claims(_record: Any, _signer_did: str, _payload_hash: str) -> list[Claim]:
    """No conflict keys."""
    return []


def no_check(_record: Any, _signer_did: str, _payload_text: bytes) -> None:
    """No rule beyond the schema."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One record kind. The callables take the converted record; hashes are base64url text.

    ``read`` makes the record of a payload's value and its accepted text. ``signers`` are roles of the trust policy, or
    :data:`PERSON`, or :data:`ANY_PERMITTED`. ``refs`` may give absent fields (``UNSET``): they make no member. ``check`` raises
    :class:`trustlog.errors.Refused` for what a schema cannot say.
    """

    name: str
    read: Callable[[Any, bytes], Any]
    signers: tuple[str, ...]
    own: bool = False
    erasable: bool = False
    refs: Callable[[Any, str], Mapping[str, object]] = no_refs
    claims: Callable[[Any, str, str], list[Claim]] = no_claims
    check: Callable[[Any, str, bytes], None] = no_check
    signed_at: Callable[[Any], Instant | None] = field(default=lambda record: getattr(record, "issued_at", None))


def compute_refs(kind: Kind, record: Any, payload_hash: str) -> dict[str, str]:
    """The refs of an entry: the kind's fields as ref values, absent fields left out."""
    return {
        name: ref_value(str(value))
        for name, value in kind.refs(record, payload_hash).items()
        if value is not UNSET and value is not None
    }


def claim(param: str, *key: str, value: tuple[str, ...]) -> Claim:
    """The claim of `key` (its first part names the rule) holding `value`."""
    return Claim(hash_parts("claim", *key), hash_parts("value", *value), param)


def identity_key(kind: str, signer_did: str, payload_hash: str) -> bytes:
    """The 32-byte key under which the same thing, submitted again, is found."""
    return hash_parts("identity", kind, signer_did, payload_hash)


def hash_parts(*parts: str) -> bytes:
    """SHA-256 of the parts as a MessagePack array, in which each follows its length, so that no two lists collide."""
    return hashlib.sha256(_encode_parts(parts)).digest()
