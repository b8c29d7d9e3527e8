"""Strict base64: standard with padding (C2SP) and URL-safe without (Clawsig).

One byte string has one spelling: foreign characters, wrong padding, wrong length and non-zero trailing bits are refused,
by re-encoding and comparing (RFC 4648 §3.5).
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from trustlog.errors import Refused

_TO_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE: Final = bytes.maketrans(b"-_+/", b"+/!!")  # what stands for 62 and 63 in standard base64 is foreign here
_PADDING: Final = (b"", b"===", b"==", b"=")  # by the number of characters modulo 4; one character over is never enough


def encode_b64u(data: bytes) -> str:
    """URL-safe base64 without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL_SAFE, b"=").decode("ascii")


def decode_b64u(text: str, size: int, param: str) -> bytes:
    """The `size` bytes that `text` spells; `param` names the field in a refusal (``BASE64URL_INVALID``)."""
    try:
        standard = text.encode("ascii").translate(_FROM_URL_SAFE) + _PADDING[len(text) % 4]
        data = binascii.a2b_base64(standard, strict_mode=True)
    except ValueError:  # not ASCII, or binascii.Error
        data = b""
    if len(data) != size or encode_b64u(data) != text:
        expected = f"{-(-size * 8 // 6)} characters of base64url without padding"
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
