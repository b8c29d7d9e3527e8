"""What signs: a DID, and signatures that the key behind it makes."""

from __future__ import annotations

import re
from typing import Final

import nacl.signing

from trustlog.errors import Refused
from trustlog.formats.didkey import encode_did_key
from trustlog.formats.envelope import Signer

__all__ = ["SEED_BYTES", "SeedSigner", "Signer", "parse_seed"]

SEED_BYTES: Final = 32

_SEED = re.compile(r"[0-9a-f]{64}")


class SeedSigner:
    """A signer whose 32-byte seed is in this process. Neither its text form nor its errors show the seed."""

    __slots__ = ("_key", "did")

    def __init__(self, seed: bytes) -> None:
        assert len(seed) == SEED_BYTES
        self._key = nacl.signing.SigningKey(seed)
        self.did: str = encode_did_key(bytes(self._key.verify_key))

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`."""
        return self._key.sign(message).signature

    def __repr__(self) -> str:
        return f"<signer {self.did}>"


def parse_seed(text: str, *, source: str) -> bytes:
    """The 32-byte seed that 64 lower-case hex digits spell, at most one LF after them.

    `source` names where the text came from: a refusal (``INPUT_UNREADABLE``) says that, and never what the text was.
    """
    digits = text.removesuffix("\n")
    if not _SEED.fullmatch(digits):
        raise Refused(
            "INPUT_UNREADABLE",
            f"{source} does not hold a key",
            param="key",
            expected="one line of 64 lower-case hex digits",
            hint="make one with: trustlog keygen FILE",
        )
    return bytes.fromhex(digits)
