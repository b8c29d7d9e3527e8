"""C2SP signed notes: parse strictly, verify the known keys, ignore the unknown.

A note is text that ends in a newline, a blank line, and lines `— name base64(key ID ‖ signature)`.
Source: c2sp.org/signed-note.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from verifier import mldsa
from verifier.checkpoint import parse_checkpoint
from verifier.ed25519 import is_signature
from verifier.encodings import decode_b64
from verifier.errors import Refused
from verifier.limits import MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES

_KEY_ID = re.compile(r"[0-9a-f]{8}", re.ASCII)
_FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f]")


class KeyType(IntEnum):
    """The signature type byte of a key."""

    ED25519 = 0x01  # over the text
    ED25519_COSIGNATURE = 0x04  # c2sp.org/tlog-cosignature, with a time
    ML_DSA_44_COSIGNATURE = 0x06  # c2sp.org/tlog-cosignature; ignored as an unknown key's where it cannot be checked


_KEY_LENGTHS = {
    KeyType.ED25519: 32,
    KeyType.ED25519_COSIGNATURE: 32,
    KeyType.ML_DSA_44_COSIGNATURE: mldsa.PUBLIC_KEY_BYTES,
}


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A pinned key: its name, 4-byte key ID, type and encoded public key."""

    name: str
    key_id: bytes
    type: KeyType
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: key name, 4-byte key ID and the bytes after it."""

    name: str
    key_id: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note. Nothing in it is trusted before a pinned key verified."""

    text: str
    signatures: tuple[Signature, ...]


def compute_key_id(name: str, key_type: KeyType, public_key: bytes) -> bytes:
    """SHA-256(name ‖ LF ‖ type ‖ public key)[:4]."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([key_type]) + public_key).digest()[:4]


def is_key_name(name: str) -> bool:
    """Whether `name` is non-empty and contains neither a Unicode space nor a plus sign."""
    return bool(name) and "+" not in name and not any(letter.isspace() for letter in name)


def parse_verifier_key(text: str) -> VerifierKey:
    """A vkey, `name+hex8+base64(type ‖ key)`. Raises Refused TRUST_POLICY_INVALID."""
    name, _, rest = text.partition("+")
    key_id_text, _, key_text = rest.partition("+")
    if not is_key_name(name) or not _KEY_ID.fullmatch(key_id_text):
        raise Refused("TRUST_POLICY_INVALID", "vkey", expected="name+<8 hex>+<base64>")
    try:
        data = decode_b64(key_text, "vkey")
        key_type = KeyType(data[0])
    except (Refused, ValueError, IndexError):
        raise Refused("TRUST_POLICY_INVALID", f"vkey of {name}", expected="a known key type") from None
    public_key = data[1:]
    if len(public_key) != _KEY_LENGTHS[key_type]:
        raise Refused("TRUST_POLICY_INVALID", f"vkey of {name}", found=f"a key of {len(public_key)} bytes")
    key_id = compute_key_id(name, key_type, public_key)
    if key_id.hex() != key_id_text:
        raise Refused("TRUST_POLICY_INVALID", f"vkey of {name}", expected=f"key ID {key_id.hex()}", found=key_id_text)
    return VerifierKey(name, key_id, key_type, public_key)


def parse_note(data: bytes) -> Note:
    """The text and signature lines of a note. Raises Refused NOTE_MALFORMED."""
    if len(data) > MAX_NOTE_BYTES:
        raise Refused("NOTE_MALFORMED", "note", expected=f"at most {MAX_NOTE_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("NOTE_MALFORMED", "note", expected="UTF-8") from None
    if _FORBIDDEN.search(text):
        raise Refused("NOTE_MALFORMED", "note", found="a control character")
    head, blank, tail = text.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise Refused("NOTE_MALFORMED", "note", expected="text, a blank line, signature lines")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_NOTE_SIGNATURES:
        raise Refused("NOTE_MALFORMED", "note", expected=f"at most {MAX_NOTE_SIGNATURES} signatures")
    return Note(head + "\n", tuple(_parse_signature(line) for line in lines))


def _parse_signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "\u2014" or not is_key_name(name):
        raise Refused("NOTE_MALFORMED", "signature line", expected="— name base64")
    try:
        data = decode_b64(encoded, "signature line")
    except Refused:
        raise Refused("NOTE_MALFORMED", "signature line", expected="standard base64") from None
    if len(data) < 5:
        raise Refused("NOTE_MALFORMED", "signature line", expected="a key ID and a signature")
    return Signature(name, data[:4], data[4:])


def is_checkable(key: VerifierKey) -> bool:
    """Whether signatures of this key can be checked here; else they are those of an unknown key."""
    return key.type is not KeyType.ML_DSA_44_COSIGNATURE or mldsa.is_available()


def check_signatures(note: Note, keys: Iterable[VerifierKey]) -> tuple[tuple[tuple[VerifierKey, int | None], ...], int]:
    """Verify the signatures of known keys: `((key, time or None), …)` and how many lines were unknown.

    Each key counts once. The time of a cosignature is in seconds since 1970; an ML-DSA cosignature may say none. A line
    of a known key that does not verify rejects the whole note; at least one known key must verify. Raises Refused
    NOTE_UNVERIFIED.
    """
    known = {(key.name, key.key_id): key for key in keys if is_checkable(key)}
    verified: dict[tuple[str, bytes], tuple[VerifierKey, int | None]] = {}
    unknown: set[tuple[str, bytes, bytes]] = set()
    for line in note.signatures:
        identity = (line.name, line.key_id)
        key = known.get(identity)
        if key is None:
            unknown.add((*identity, line.data))
        else:  # a repeated line of one key adds nothing, but must verify too
            verified.setdefault(identity, (key, _check_signature(note.text, key, line.data)))
    if not verified:
        raise Refused("NOTE_UNVERIFIED", "note", expected="a signature of a pinned key", found="none")
    return tuple(verified.values()), len(unknown)


def _check_signature(text: str, key: VerifierKey, data: bytes) -> int | None:
    """The time that a signature states. Raises Refused NOTE_UNVERIFIED."""
    if key.type is KeyType.ED25519:
        is_right, time_s = is_signature(key.public_key, text.encode(), data), None
    else:
        time_s = int.from_bytes(data[:8], "big")
        is_right = time_s < 2**63 and _is_cosignature(text, key, time_s, data[8:])
    if not is_right:
        raise Refused("NOTE_UNVERIFIED", f"signature of {key.name}", expected="a valid signature")
    if key.type is KeyType.ML_DSA_44_COSIGNATURE and time_s == 0:
        return None  # says that the tree was consistent, not when
    return time_s


def _is_cosignature(text: str, key: VerifierKey, time_s: int, signature: bytes) -> bool:
    if key.type is KeyType.ED25519_COSIGNATURE:
        message = f"cosignature/v1\ntime {time_s}\n{text}".encode()
        return is_signature(key.public_key, message, signature)
    try:
        signed = mldsa.encode_message(key.name, time_s, parse_checkpoint(text))
    except Refused:  # an ML-DSA cosignature is of a checkpoint, and of nothing else
        return False
    return signed is not None and mldsa.is_signature(key.public_key, signed, signature)
