"""ML-DSA-44 cosignatures (FIPS 204; c2sp.org/tlog-cosignature), if the optional library is there.

This package needs nothing but PyNaCl and rfc8785; with `cryptography` installed (the extra `mldsa`) these signatures are
checked too. Without it they are those of an unknown key: ignored, and no witness counts by one.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from verifier.checkpoint import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLIC_KEY_BYTES = 1312
SIGNATURE_BYTES = 2420
LABEL = b"subtree/v1\n\0"
WITHOUT = "here without cryptography 48 or later"
_MAX_NAME_BYTES = 255


@cache
def _checker() -> Callable[[bytes, bytes, bytes], bool] | None:
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 - optional
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey  # noqa: PLC0415 - optional
    except ImportError:  # not installed, or too old to know ML-DSA
        return None

    def check(public_key: bytes, message: bytes, signature: bytes) -> bool:
        try:
            MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    try:
        check(bytes(PUBLIC_KEY_BYTES), b"", bytes(SIGNATURE_BYTES))
    except UnsupportedAlgorithm:  # built against an OpenSSL without it
        return None
    return check


def is_available() -> bool:
    """Whether ML-DSA-44 signatures can be checked here."""
    return _checker() is not None


def is_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (2420 bytes) is a signature of `message` by `public_key` (1312 bytes). Only if available."""
    check = _checker()
    assert check is not None, "asked only where is_available()"
    return len(signature) == SIGNATURE_BYTES and check(public_key, message, signature)


def encode_message(cosigner: str, time_s: int, checkpoint: Checkpoint) -> bytes | None:
    """The `cosigned_message` over a checkpoint's whole tree; None where a name has no encoding.

    Extension lines are not in it: a cosigner says nothing about them.
    """
    names = [name.encode("utf-8") for name in (cosigner, checkpoint.origin)]
    if not all(1 <= len(name) <= _MAX_NAME_BYTES for name in names):
        return None
    cosigner_name, origin = (bytes([len(name)]) + name for name in names)
    numbers = (time_s.to_bytes(8, "big"), (0).to_bytes(8, "big"), checkpoint.size.to_bytes(8, "big"))
    return LABEL + cosigner_name + numbers[0] + origin + numbers[1] + numbers[2] + checkpoint.root
