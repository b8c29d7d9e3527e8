"""An entry: the bytes that the Merkle tree commits to.

An entry is the RFC 8785 form of exactly ``entry_version`` (``"1"``), ``kind``, ``payload_hash_b64u``, ``refs``,
``signature_b64u`` and ``signer_did``. Every value matches ``[A-Za-z0-9._:/-]*``, so nothing is ever escaped and one regular
expression decides whether bytes are an entry. It stays under 1 KiB, holds no server time, and whoever has the envelope
computes it, and its leaf hash, alone.

``refs`` are the payload's own lookup keys. A ref value is the field itself if it matches ``[A-Za-z0-9._:/-]{1,96}``, else
``sha256:`` and the base64url SHA-256 of its UTF-8 bytes; an absent field gives no member.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.limits import MAX_ENTRY_BYTES, MAX_REF_VALUE_CHARACTERS
from trustlog.merkle.hashing import hash_leaf

REF_NAMES: Final = (
    "bundle",
    "job",
    "plan",
    "policy",
    "receipt",
    "roster",
    "run",
    "scope",
    "target",
    "ticket",
    "token",
    "token_scope",
)  # in the order in which RFC 8785 writes them

_REF_VALUE = re.compile(rf"[A-Za-z0-9._:/-]{{1,{MAX_REF_VALUE_CHARACTERS}}}")
_REFS = "".join(rf'(?:"{name}":"(?P<{name}>[A-Za-z0-9._:/-]{{1,{MAX_REF_VALUE_CHARACTERS}}})",?)?' for name in REF_NAMES)
_ENTRY = re.compile(
    r'\{"entry_version":"1","kind":"(?P<kind>[a-z][a-z0-9_]{0,63})","payload_hash_b64u":"(?P<payload_hash>[A-Za-z0-9_-]{43})",'
    rf'"refs":\{{{_REFS}(?<!,)\}},'
    r'"signature_b64u":"(?P<signature>[A-Za-z0-9_-]{86})","signer_did":"(?P<signer>did:key:z[1-9A-HJ-NP-Za-km-z]{1,64})"\}'
)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What is logged: `payload_hash` is 32 bytes, `signature` 64, `refs` hold only names of :data:`REF_NAMES`."""

    kind: str
    payload_hash: bytes
    refs: Mapping[str, str]
    signature: bytes
    signer_did: str

    def encode(self) -> bytes:
        """The exact entry bytes."""
        return self.encode_around(encode_b64u(self.payload_hash))

    def encode_around(self, payload_hash_b64u: str) -> bytes:
        """The same for whoever has the payload's hash as text already."""
        refs = ",".join([f'"{name}":"{self.refs[name]}"' for name in sorted(self.refs)])
        return (
            f'{{"entry_version":"1","kind":"{self.kind}","payload_hash_b64u":"{payload_hash_b64u}",'
            f'"refs":{{{refs}}},"signature_b64u":"{encode_b64u(self.signature)}","signer_did":"{self.signer_did}"}}'
        ).encode("ascii")

    @property
    def leaf_hash(self) -> bytes:
        """SHA-256(0x00 ‖ entry), RFC 6962 §2.1."""
        return hash_leaf(self.encode())


def parse_entry(data: bytes) -> Entry:
    """The entry that `data` spells; ``ENTRY_MALFORMED`` for anything that is not byte for byte an entry."""
    match = _ENTRY.fullmatch(data.decode("latin-1")) if len(data) <= MAX_ENTRY_BYTES else None
    if match is None:
        raise Refused(
            "ENTRY_MALFORMED",
            "the bytes are not an entry",
            param="entry",
            expected=f"RFC 8785 of the six entry members, at most {MAX_ENTRY_BYTES} bytes",
            found=f"{len(data)} bytes: {data[:80]!r}",
        )
    entry = Entry(
        kind=match["kind"],
        payload_hash=decode_b64u(match["payload_hash"], 32, "payload_hash_b64u"),
        refs={name: value for name, value in zip(REF_NAMES, match.groups()[2:-2], strict=True) if value is not None},
        signature=decode_b64u(match["signature"], 64, "signature_b64u"),
        signer_did=match["signer"],
    )
    if entry.encode() != data:  # a comma missing between two refs, say
        raise Refused("ENTRY_MALFORMED", "the bytes are not the entry's own encoding", param="entry.refs")
    return entry


def ref_value(text: str) -> str:
    """A lookup key as a ref value: itself where it is short and plain, else its hash."""
    if _REF_VALUE.fullmatch(text):
        return text
    return "sha256:" + encode_b64u(hashlib.sha256(text.encode("utf-8")).digest())
