"""A second valid Ed25519 signature over one message by one key: with a nonce of our choice (RFC 8032 §5.1.6, else as there)."""

from __future__ import annotations

import hashlib

from nacl.bindings import (
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_sign_seed_keypair,
)


def sign_otherwise(seed: bytes, message: bytes) -> bytes:
    public, _secret = crypto_sign_seed_keypair(seed)
    digest = bytearray(hashlib.sha512(seed).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    scalar = crypto_core_ed25519_scalar_reduce(bytes(digest) + bytes(32))
    nonce = crypto_core_ed25519_scalar_reduce(hashlib.sha512(b"another nonce" + message).digest())
    point = crypto_scalarmult_ed25519_base_noclamp(nonce)
    challenge = crypto_core_ed25519_scalar_reduce(hashlib.sha512(point + public + message).digest())
    return point + crypto_core_ed25519_scalar_add(nonce, crypto_core_ed25519_scalar_mul(challenge, scalar))
