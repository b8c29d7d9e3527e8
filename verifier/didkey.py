"""did:key of an Ed25519 key: `did:key:z` + base58btc(0xED 0x01 ‖ 32-byte key). One key, one spelling."""

from __future__ import annotations

from functools import lru_cache

from verifier.errors import Refused

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_PREFIX = "did:key:z"
_ED25519 = b"\xed\x01"
_TEXT_LENGTH = len(_PREFIX) + 47  # 34 bytes that begin with 0xED always have 47 base58 digits


def encode_did_key(public_key: bytes) -> str:
    """The DID of a 32-byte Ed25519 public key."""
    number = int.from_bytes(_ED25519 + public_key, "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    return _PREFIX + "".join(reversed(digits))


@lru_cache(maxsize=4096)
def parse_did_key(text: str) -> bytes:
    """The 32-byte public key of a DID. Raises Refused INVALID_DID_FORMAT on any other spelling or key type."""
    if not text.startswith(_PREFIX) or len(text) != _TEXT_LENGTH:
        raise Refused("INVALID_DID_FORMAT", "did:key", expected="did:key:z… of an Ed25519 key")
    number = 0
    for letter in text[len(_PREFIX) :]:
        if letter not in _VALUES:
            raise Refused("INVALID_DID_FORMAT", "did:key", expected="base58btc")
        number = number * 58 + _VALUES[letter]
    if number.bit_length() > 34 * 8:
        raise Refused("INVALID_DID_FORMAT", "did:key", expected="34 bytes")
    data = number.to_bytes(34, "big")
    if data[:2] != _ED25519 or encode_did_key(data[2:]) != text:
        raise Refused("INVALID_DID_FORMAT", "did:key", expected="multicodec 0xED 0x01 and 32 bytes")
    return data[2:]
