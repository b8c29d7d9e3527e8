"""The little of SSH's wire format that is needed here: byte strings, and Ed25519 public keys (RFC 4251 §5, RFC 8709 §4)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

ED25519: Final = "ssh-ed25519"


class WireError(ValueError):
    """The bytes are not what they should be. The message is for people and holds none of the bytes."""


class WireReader:
    """Reads a message from its beginning; every read checks that there is as much."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """The next byte, as a number."""
        return self._take(1)[0]

    def uint32(self) -> int:
        """The next four bytes, big-endian."""
        return int.from_bytes(self._take(4), "big")

    def string(self) -> bytes:
        """The next string: four bytes of length, then as many bytes."""
        return self._take(self.uint32())

    def end(self) -> None:
        """Check that nothing is left."""
        if self._at != len(self._data):
            raise WireError("bytes after the end of a message")

    def _take(self, count: int) -> bytes:
        if len(self._data) - self._at < count:
            raise WireError("a message ends too early")
        self._at += count
        return self._data[self._at - count : self._at]


def encode_string(data: bytes) -> bytes:
    """A string as SSH writes it."""
    return len(data).to_bytes(4, "big") + data


def encode_public_key(key: bytes) -> bytes:
    """The *key blob* of a 32-byte Ed25519 public key."""
    assert len(key) == 32
    return encode_string(ED25519.encode("ascii")) + encode_string(key)


def key_type(blob: bytes) -> str:
    """The algorithm that a key blob says it is of: ``ssh-ed25519``, ``ssh-rsa`` … Raises :class:`WireError`."""
    return WireReader(blob).string().decode("ascii", "replace")


def parse_public_key(blob: bytes) -> bytes:
    """The 32-byte Ed25519 public key in a key blob. Raises :class:`WireError` for any other key, certificates included."""
    reader = WireReader(blob)
    found = reader.string()
    if found != ED25519.encode("ascii"):
        raise WireError(f"a key of type {found.decode('ascii', 'replace')}")
    key = reader.string()
    reader.end()
    if len(key) != 32:
        raise WireError("an Ed25519 key of a wrong length")
    return key


def parse_public_line(line: str) -> bytes:
    """The 32-byte key of a line ``ssh-ed25519 AAAA… comment``, as a ``.pub`` file holds it. Raises :class:`WireError`."""
    words = line.split(None, 2)
    if len(words) < 2 or words[0] != ED25519:
        raise WireError(f"a line that begins with {words[0][:32]}" if words else "an empty line")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        raise WireError("a key that is not base64") from None
    key = parse_public_key(blob)
    if base64.b64encode(blob).decode("ascii") != words[1]:
        raise WireError("base64 in another spelling")
    return key


def fingerprint(blob: bytes) -> str:
    """How OpenSSH names a key: ``SHA256:`` and standard base64 without padding."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")
