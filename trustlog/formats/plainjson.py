"""The RFC 8785 form of values that have it plainly, at the speed of a compiled encoder.

What we sign ourselves is ASCII, with short integers and no fractions: there, the compiled encoder's sorted form is the canonical
one. Any other value goes the long way.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from trustlog.formats.jsontext import canonicalize
from trustlog.limits import MAX_SAFE_INTEGER

_ENCODER: Final = msgspec.json.Encoder(order="sorted")


def canonicalize_plain(value: dict[str, Any]) -> bytes:
    """The RFC 8785 form of a JSON object; raises as :func:`~trustlog.formats.jsontext.canonicalize`."""
    if not _is_plain(value):
        return canonicalize(value)
    return _ENCODER.encode(value)  # ASCII names sort by bytes as they do by UTF-16 code units


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return bool(value.isascii())
    if kind is dict:
        return all(type(name) is str and name.isascii() and _is_plain(member) for name, member in value.items())
    if kind is list:
        return all(map(_is_plain, value))
    return kind is bool or value is None or (kind is int and abs(value) <= MAX_SAFE_INTEGER)
