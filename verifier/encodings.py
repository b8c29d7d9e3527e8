"""Base64 and base64url, exactly as written: decode, encode again, compare (RFC 4648 §3.5, §4, §5)."""

from __future__ import annotations

import binascii
import hashlib

from verifier.errors import Refused

_TO_BASE64 = bytes.maketrans(b"-_", b"+/")
_TO_BASE64URL = bytes.maketrans(b"+/", b"-_")


def encode_b64u(data: bytes) -> str:
    """Base64url without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_BASE64URL, b"=").decode("ascii")


def decode_b64u(text: str, what: str, *, length: int | None = None) -> bytes:
    """The bytes of base64url `text`; `length` is the number of bytes demanded.

    Raises Refused BASE64URL_INVALID on padding, foreign characters, non-zero trailing bits or another length.
    """
    try:
        data = _decode_padded(text.encode("ascii"))
    except ValueError:
        raise Refused("BASE64URL_INVALID", what, expected="base64url without padding") from None
    if encode_b64u(data) != text:
        raise Refused("BASE64URL_INVALID", what, expected="the one spelling of these bytes")
    if length is not None and len(data) != length:
        raise Refused("BASE64URL_INVALID", what, expected=f"{length} bytes", found=f"{len(data)} bytes")
    return data


def encode_b64(data: bytes) -> str:
    """Standard base64 with padding."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def decode_b64(text: str, what: str, *, length: int | None = None) -> bytes:
    """The bytes of standard base64 `text`. Raises Refused BASE64_INVALID on any other spelling or length."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise Refused("BASE64_INVALID", what, expected="standard base64 with padding") from None
    if encode_b64(data) != text:
        raise Refused("BASE64_INVALID", what, expected="the one spelling of these bytes")
    if length is not None and len(data) != length:
        raise Refused("BASE64_INVALID", what, expected=f"{length} bytes", found=f"{len(data)} bytes")
    return data


def hash_b64u(data: bytes) -> str:
    """Base64url of SHA-256: the spelling of every payload and document hash."""
    return encode_b64u(hashlib.sha256(data).digest())


def decode_exact_b64u(text: bytes) -> bytes:
    """The bytes of base64url that a grammar has already seen to be in its one spelling: nothing is checked."""
    return _decode_padded(text)


def _decode_padded(text: bytes) -> bytes:
    return binascii.a2b_base64(text.translate(_TO_BASE64) + b"=" * (-len(text) % 4), strict_mode=True)
