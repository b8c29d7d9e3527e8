"""Strict base64: standard with padding (C2SP) and URL-safe without (Clawsig).

One byte string has one spelling: foreign characters, wrong padding, wrong length and non-zero trailing bits are refused,
by re-encoding and comparing (RFC 4648 §3.5).
"""

from __future__ import annotations

import base64
import binascii

from trustlog.errors import Refused


def encode_b64u(data: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_b64u(text: str, size: int, param: str) -> bytes:
    """The `size` bytes that `text` spells; `param` names the field in a refusal (``BASE64URL_INVALID``)."""
    expected = f"{-(-size * 8 // 6)} characters of base64url without padding"
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        data = b""
    if len(data) != size or encode_b64u(data) != text:
        raise Refused(
            "BASE64URL_INVALID",
            f"{param} is not a base64url value",
            param=param,
            expected=expected,
            found=text,
        )
    return data


def encode_b64(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def decode_b64(text: str, param: str, size: int | None = None) -> bytes:
    """The bytes that `text` spells, `size` of them if given (``BASE64_INVALID``)."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise Refused("BASE64_INVALID", f"{param} is not standard base64", param=param, found=text) from None
    if encode_b64(data) != text or (size is not None and len(data) != size):
        expected = "standard base64 with padding" if size is None else f"standard base64 of {size} bytes"
        raise Refused("BASE64_INVALID", f"{param} is not standard base64", param=param, expected=expected, found=text)
    return data
