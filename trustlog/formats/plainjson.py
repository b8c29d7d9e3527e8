"""The RFC 8785 form of values that have it plainly, at the speed of a compiled encoder.

What we sign ourselves is ASCII, with short integers and no fractions: there, the compiled encoder's sorted form is the canonical
one. Any other value goes the long way.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from trustlog.formats.jsontext import canonicalize

# In a compact text a number follows a name, a comma or a bracket; a match within a string only costs the long way.
_NOT_PLAIN: Final = re.compile(rb'(?:^|":|[,\[])-?(?:[0-9]+[.eE]|[0-9]{16})|\x7f')
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


def canonicalize_plain(value: dict[str, Any]) -> bytes:
    """The RFC 8785 form of a JSON object whose names are strings; raises as :func:`~trustlog.formats.jsontext.canonicalize`.

    Its strings are ASCII in what is fast: names sort by bytes as they do by UTF-16 code units, and both encoders escape alike.
    """
    try:
        text = _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError):
        return canonicalize(value)
    return text if text.isascii() and not _NOT_PLAIN.search(text) else canonicalize(value)
