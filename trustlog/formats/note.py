"""Signed notes: a text, and who signed it (C2SP signed-note).

A note is the text, which ends in a newline, an empty line, and signature lines ``— <name> <base64(key ID ‖ signature)>``. A
key is known by its name *and* its key ID. Signatures of unknown keys are ignored; a bad signature of a known key rejects the
note, and so does the lack of any good one.

What a signature covers depends on the key's type byte: the text (0x01), or the text after a dated header (0x04, see
:mod:`trustlog.formats.cosignature`). Keys of type 0x06 (ML-DSA-44) are understood and kept, and verify nothing yet: to this
version they are unknown signers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from nacl.signing import SigningKey

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64, encode_b64
from trustlog.formats.cosignature import check_cosignature, cosign
from trustlog.formats.ed25519 import verify_ed25519
from trustlog.limits import MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES

ED25519: Final = 0x01
ED25519_COSIGNATURE: Final = 0x04
ML_DSA_44_COSIGNATURE: Final = 0x06

_PUBLIC_KEY_BYTES: Final = {ED25519: 32, ED25519_COSIGNATURE: 32, ML_DSA_44_COSIGNATURE: 1312}
_SUPPORTED: Final = frozenset({ED25519, ED25519_COSIGNATURE})
_KEY_ID_BYTES: Final = 4
_SEED_BYTES: Final = 32
_PRIVATE: Final = "PRIVATE+KEY+"
_EM_DASH: Final = "— "


# Keys.


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key as a note knows it: its name, its type byte, and the key (32 bytes; 1312 for ML-DSA-44)."""

    name: str
    type: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name ‖ LF ‖ type ‖ public key): an identifier, not a commitment."""
        typed = bytes([self.type]) + self.public_key
        return hashlib.sha256(self.name.encode() + b"\n" + typed).digest()[:_KEY_ID_BYTES]

    @property
    def is_supported(self) -> bool:
        """Whether this version can verify what the key signs. One that it cannot counts as unknown."""
        return self.type in _SUPPORTED

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """The key that ``<name>+<key ID as 8 hex digits>+<base64(type ‖ public key)>`` spells.

        Raises Refused(NOTE_MALFORMED) for any other text, a wrong key ID and an unknown type included.
        """
        name, key_id, data = _parse_key_text(vkey, "vkey")
        key = cls(name, data[0], data[1:])
        if len(key.public_key) != _PUBLIC_KEY_BYTES.get(key.type):
            raise _bad_key("vkey", "a known type byte and a key of its length", f"type {key.type:#04x}")
        if key.key_id.hex() != key_id:
            raise _bad_key("vkey", f"the key ID {key.key_id.hex()}", key_id)
        return key

    def encode(self) -> str:
        """The key as a vkey text."""
        return f"{self.name}+{self.key_id.hex()}+{encode_b64(bytes([self.type]) + self.public_key)}"

    def check(self, text: bytes, signature: bytes) -> int | None:
        """Check `signature` (without the key ID) over the note text; the POSIX time in it, where its type has one.

        Raises Refused(NOTE_UNVERIFIED). Only for supported keys.
        """
        assert self.is_supported
        if self.type == ED25519_COSIGNATURE:
            return check_cosignature(self.public_key, text, signature)
        if not verify_ed25519(self.public_key, text, signature):
            raise Refused("NOTE_UNVERIFIED", f"the signature of {self.name} is wrong", param=self.name)
        return None


class NoteSigner:
    """A private key that signs notes, with its 32-byte seed in this process. Neither its text nor its errors show the seed."""

    __slots__ = ("_key", "key")

    def __init__(self, name: str, seed: bytes, *, key_type: int = ED25519) -> None:
        """`key_type` is ED25519 (a log) or ED25519_COSIGNATURE (a witness)."""
        assert len(seed) == _SEED_BYTES
        assert key_type in _SUPPORTED
        check_key_name(name, "name")
        self._key = SigningKey(seed)
        self.key = VerifierKey(name, key_type, bytes(self._key.verify_key))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The signer that ``PRIVATE+KEY+<name>+<key ID>+<base64(type ‖ seed)>`` spells, one LF after it allowed.

        Raises Refused(NOTE_MALFORMED), whose text never shows what was read.
        """
        if not text.startswith(_PRIVATE):
            raise _bad_key("private key", _PRIVATE + "<name>+<key ID>+<base64>", "another text")
        name, key_id, data = _parse_key_text(text.removesuffix("\n").removeprefix(_PRIVATE), "private key")
        if data[0] not in _SUPPORTED or len(data) != 1 + _SEED_BYTES:
            raise _bad_key("private key", "an Ed25519 type byte and a 32-byte seed", "another type or length")
        signer = cls(name, data[1:], key_type=data[0])
        if signer.key.key_id.hex() != key_id:
            raise _bad_key("private key", f"the key ID {signer.key.key_id.hex()}", key_id)
        return signer

    def encode_private(self) -> str:
        """The secret text form, without a newline. For a key file of mode 0600 and nothing else."""
        data = encode_b64(bytes([self.key.type]) + bytes(self._key))
        return f"{_PRIVATE}{self.key.name}+{self.key.key_id.hex()}+{data}"

    def sign(self, text: bytes) -> NoteSignature:
        """The signature line of a note with this text; for a log's key (0x01)."""
        assert self.key.type == ED25519
        return NoteSignature(self.key.name, self.key.key_id, self._key.sign(text).signature)

    def cosign(self, checkpoint_text: bytes, time_s: int) -> NoteSignature:
        """The cosignature line of a checkpoint with this text, at a POSIX time; for a witness's key (0x04)."""
        assert self.key.type == ED25519_COSIGNATURE
        signature = cosign(lambda message: self._key.sign(message).signature, checkpoint_text, time_s)
        return NoteSignature(self.key.name, self.key.key_id, signature)

    def __repr__(self) -> str:
        return f"<note signer {self.key.name}+{self.key.key_id.hex()}>"


def check_key_name(name: str, param: str) -> None:
    """A key's name is not empty and has no Unicode space, no plus and no control character (NOTE_MALFORMED)."""
    if not name or "+" in name or any(c.isspace() or c < " " for c in name) or not _is_utf8(name):
        raise Refused("NOTE_MALFORMED", "not a key name", param=param, expected="no space, no plus, not empty", found=name)


def _parse_key_text(text: str, what: str) -> tuple[str, str, bytes]:
    """Name, key ID in hex, and type byte with key, of a vkey or of the rest of a private key."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        check_key_name(name, what)
        data = decode_b64(encoded, what)
    except Refused:
        raise _bad_key(what, "<name>+<8 hex digits>+<base64>", "another text") from None
    if not data:
        raise _bad_key(what, "a type byte and a key", "nothing")
    return name, key_id, data


def _bad_key(what: str, expected: str, found: str) -> Refused:
    return Refused("NOTE_MALFORMED", f"not a {what} of a signed note", param=what, expected=expected, found=found)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


# Notes.


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name and 4-byte ID, and the signature, whose meaning the key's type gives."""

    name: str
    key_id: bytes
    signature: bytes

    def encode(self) -> bytes:
        """The line, with its newline."""
        return f"{_EM_DASH}{self.name} {encode_b64(self.key_id + self.signature)}\n".encode()


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note: `text` with its final newline. Parsed is not verified."""

    text: bytes
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """The note's bytes."""
        return self.text + b"\n" + b"".join(s.encode() for s in self.signatures)


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature that verified, the known key that made it, and the POSIX time in it (cosignatures only)."""

    key: VerifierKey
    signature: NoteSignature
    time_s: int | None


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note that at least one known key signed: one signature a known key, and those of unknown keys."""

    text: bytes
    verified: tuple[VerifiedSignature, ...]
    unverified: tuple[NoteSignature, ...]


def parse_note(body: bytes) -> Note:
    """The note that `body` is, byte for byte. Raises Refused(NOTE_MALFORMED)."""
    if len(body) > MAX_NOTE_BYTES:
        raise _malformed("the note is too long", f"at most {MAX_NOTE_BYTES} bytes", f"{len(body)} bytes")
    try:
        content = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("the note is not UTF-8", "UTF-8", "other bytes") from None
    if any(c < " " and c != "\n" for c in content):
        raise _malformed("the note has a control character", "none but LF", "another")
    text, blank, lines = content.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise _malformed("the note has no signature lines", "text, an empty line, signature lines", "something else")
    signatures = tuple(_parse_signature_line(line) for line in lines.removesuffix("\n").split("\n"))
    if len(signatures) > MAX_NOTE_SIGNATURES:
        raise _malformed("too many signatures", f"at most {MAX_NOTE_SIGNATURES}", str(len(signatures)))
    note = Note((text + "\n").encode(), signatures)
    assert note.encode() == body
    return note


def open_note(body: bytes, keys: Iterable[VerifierKey]) -> OpenedNote:
    """Parse a note and verify it under `keys`.

    Every signature by a supported key of `keys` must be good, and there must be one; a key counts once, however often it
    signed. Raises Refused: NOTE_MALFORMED, or NOTE_UNVERIFIED.
    """
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if key.is_supported and known.setdefault((key.name, key.key_id), key) != key:
            raise Refused("NOTE_UNVERIFIED", "two known keys have one name and one key ID", param=key.name)
    note = parse_note(body)
    verified: dict[VerifierKey, VerifiedSignature] = {}
    unverified: dict[NoteSignature, None] = {}
    for signature in note.signatures:
        by = known.get((signature.name, signature.key_id))
        if by is None:
            unverified[signature] = None
            continue
        time_s = by.check(note.text, signature.signature)
        verified.setdefault(by, VerifiedSignature(by, signature, time_s))
    if not verified:
        names = ", ".join(sorted({key.name for key in known.values()})) or "none"
        found = ", ".join(s.name for s in note.signatures)
        raise Refused("NOTE_UNVERIFIED", "no known key signed the note", expected=f"a signature of: {names}", found=found)
    return OpenedNote(note.text, tuple(verified.values()), tuple(unverified))


def sign_note(text: bytes, signer: NoteSigner) -> bytes:
    """The note with `text` (which ends in a newline) and the signature of `signer`."""
    assert text.endswith(b"\n")
    return Note(text, (signer.sign(text),)).encode()


def _parse_signature_line(line: str) -> NoteSignature:
    expected = "— <name> <base64>"
    name, _, encoded = line.removeprefix(_EM_DASH).partition(" ")
    if not line.startswith(_EM_DASH):
        raise _malformed("not a signature line", expected, line)
    try:
        check_key_name(name, "signature")
        data = decode_b64(encoded, "signature")
    except Refused:
        raise _malformed("not a signature line", expected, line) from None
    if len(data) <= _KEY_ID_BYTES:
        raise _malformed("not a signature line", "a key ID and a signature", line)
    return NoteSignature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def _malformed(detail: str, expected: str, found: str) -> Refused:
    return Refused("NOTE_MALFORMED", detail, param="note", expected=expected, found=found)
