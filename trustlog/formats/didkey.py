"""``did:key`` identifiers of Ed25519 keys: ``did:key:z`` + base58btc(0xED 0x01 ‖ 32-byte key).

One key has one spelling: the identifier is decoded, encoded again and compared. (W3C did:key method, multicodec
``ed25519-pub``.)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import base58

from trustlog.errors import Refused

PREFIX: Final = "did:key:z"
ED25519_CODEC: Final = b"\xed\x01"
MAX_DID_CHARACTERS: Final = 57  # 34 bytes are at most 47 characters of base58


def encode_did_key(public_key: bytes) -> str:
    """The identifier of a 32-byte Ed25519 public key."""
    assert len(public_key) == 32
    return PREFIX + base58.b58encode(ED25519_CODEC + public_key).decode("ascii")


def parse_did_key(did: str, param: str = "signer_did") -> bytes:
    """The 32-byte public key of an identifier; ``INVALID_DID_FORMAT`` for anything else."""
    key = _decode(did) if len(did) <= MAX_DID_CHARACTERS else None  # nothing long gets into the cache
    if key is None:
        raise Refused(
            "INVALID_DID_FORMAT",
            f"{param} is not the did:key of an Ed25519 key",
            param=param,
            expected="did:key:z + base58btc(0xed01 + 32-byte key)",
            found=did,
        )
    return key


@lru_cache(maxsize=4096)
def _decode(did: str) -> bytes | None:
    if not did.startswith(PREFIX):
        return None
    try:
        data = base58.b58decode(did[len(PREFIX) :])
    except ValueError:
        return None
    key = data[2:]
    if data[:2] != ED25519_CODEC or len(key) != 32 or encode_did_key(key) != did:
        return None
    return key
