"""JSON texts that are plainly exact: decided at the speed of a compiled decoder, or left undecided.

A text is *compact* here if it is its own ``JSON.stringify`` form and nothing in it needs a second look. Almost every payload
in the field is, and knowing it costs a tenth of parsing strictly, writing the form and comparing. What is not compact may be
good or bad: only :mod:`trustlog.formats.jsontext` can tell, and only it words refusals.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET

from trustlog.formats.jsontext import too_deep_at
from trustlog.limits import MAX_JSON_DEPTH

_SHAPE: Final = bytes(
    ord("0") if chr(byte) in "0123456789" else ord("[") if chr(byte) in "[{" else byte if chr(byte) in '":' else ord(" ")
    for byte in range(256)
)  # every digit as 0, every opening bracket as [, quotes and colons as they are, all else blank
_SIXTEEN_DIGITS: Final = b"0" * 16  # 2^53 has sixteen: what is shorter, every reader keeps exactly
_NAME_ENDS_IN_DIGIT: Final = b'0":'

# In a compact text a number stands at the start, after a name, a comma or a bracket, and a name's quotes are its only ones.
_LONG_INTEGER: Final = re.compile(rb'(?:^|":|[,\[])-?[0-9]{16}')
_ARRAY_INDEX_NAME: Final = re.compile(rb'"[0-9]{1,10}":')


def decode_compact(text: bytes, *, levels: int = MAX_JSON_DEPTH) -> Any:
    """The value of a compact text, ``UNSET`` for any other; never an error.

    A value is what :func:`~trustlog.formats.jsontext.parse_json` gives, and `text` is what
    :func:`~trustlog.formats.jsontext.stringify` gives for it. It nests at most `levels`.
    """
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):  # msgspec's own errors, UnicodeDecodeError and that of _decimal are ValueErrors
        return UNSET
    # Blanks, repeated names, escapes that need not be and -0 do not come back. What does come back has strings as JavaScript
    # writes them: both escape what RFC 8259 §7 demands, by the short escapes or lower-case \u00xx, and write the rest as it is.
    if _ENCODER.encode(value) != text:
        return UNSET
    shape = text.translate(_SHAPE)  # its searches are cheap; what costs more is tried only where they find something
    if shape.count(b"[") > levels and too_deep_at(text, levels) is not None:
        return UNSET
    if _SIXTEEN_DIGITS in shape and _LONG_INTEGER.search(text):
        return UNSET
    if _NAME_ENDS_IN_DIGIT in shape and _ARRAY_INDEX_NAME.search(text):  # JavaScript may order these otherwise
        return UNSET
    return value


def _decimal(literal: str) -> float:
    """The double of a literal with a fraction and no exponent that is its shortest; ValueError for all others.

    Python prints the shortest digits that give the same double, as ECMA-262 §6.1.6.1.20 does, and prints them without an
    exponent from 10^-4 up to 10^16, well within the range where JavaScript does (10^-6 to 10^21).
    """
    number = float(literal)
    if repr(number) != literal or "e" in literal or number.is_integer():  # JavaScript prints 1.0 as 1
        raise ValueError
    return number


_DECODER: Final = msgspec.json.Decoder(float_hook=_decimal)
_ENCODER: Final = msgspec.json.Encoder()
