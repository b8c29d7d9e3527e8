"""Strict JSON, as everything that is read must be spelled.

Strict means: UTF-8 without BOM, at most 64 levels, no duplicate keys, no NaN or Infinity, no integer beyond
±(2^53-1), no lone surrogate. Objects keep the order in which they were written.
"""

from __future__ import annotations

import json
import re
from typing import NoReturn

from verifier.errors import Refused
from verifier.limits import MAX_JSON_DEPTH, MAX_SAFE_INTEGER

_STRING = re.compile(rb'"[^"]*"?')  # also unterminated: linear whatever the input
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(data: bytes, what: str = "JSON") -> object:
    """The value of a strict JSON text.

    Raises Refused JSON_INVALID, JSON_TOO_DEEP, JSON_DUPLICATE_KEY, JSON_NUMBER_OUT_OF_RANGE or
    JSON_LONE_SURROGATE.
    """
    _check_depth(data, what)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("JSON_INVALID", what, expected="UTF-8") from None
    try:
        value: object = _STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise Refused(
            "JSON_INVALID", what, found=f"{error.msg.removesuffix(' starting at')} at character {error.pos}"
        ) from None
    except RecursionError:
        raise Refused("JSON_TOO_DEEP", what, expected=f"at most {MAX_JSON_DEPTH} levels") from None
    if _SURROGATE_ESCAPE.search(data):
        _check_surrogates(value, what)
    return value


def parse_object(data: bytes, what: str = "JSON") -> dict[str, object]:
    """As `parse_json`, of a text that must be an object."""
    value = parse_json(data, what)
    if not isinstance(value, dict):
        raise Refused("JSON_INVALID", what, expected="an object")
    return value


def has_few_brackets(data: bytes) -> bool:
    """Whether a text has too few brackets to be too deep."""
    return data.count(b"[") + data.count(b"{") <= MAX_JSON_DEPTH


def _check_depth(data: bytes, what: str) -> None:
    if has_few_brackets(data):
        return
    # Without escapes a string ends at the next quote: first escaped backslashes go, then escaped quotes, then the rest.
    quotes = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_STRUCTURE)
    depth = 0
    for byte in _STRING.sub(b"", quotes):
        depth += 1 if byte in b"[{" else -1
        if depth > MAX_JSON_DEPTH:
            raise Refused("JSON_TOO_DEEP", what, expected=f"at most {MAX_JSON_DEPTH} levels")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Refused("JSON_DUPLICATE_KEY", "JSON", expected="each key once in an object")
    return result


def read_integer(text: str) -> int:
    """The integer in a number token without fraction and exponent. Raises Refused JSON_NUMBER_OUT_OF_RANGE."""
    if len(text) <= 17 and -MAX_SAFE_INTEGER <= (value := int(text)) <= MAX_SAFE_INTEGER:
        return value
    raise Refused("JSON_NUMBER_OUT_OF_RANGE", "JSON", expected="an integer within ±(2^53-1)")


def _float(text: str) -> float:
    value = float(text)
    # From 2^53 to 10^21 both text forms print an integer token, which no reader of that text may take.
    if value in (float("inf"), float("-inf")) or (value.is_integer() and MAX_SAFE_INTEGER < abs(value) < 1e21):
        raise Refused("JSON_NUMBER_OUT_OF_RANGE", "JSON", expected="a finite double that no form prints as a large integer")
    return value


def refuse_number(text: str) -> NoReturn:
    """Refuse NaN, Infinity, or whatever number the reader takes none of. Raises Refused JSON_INVALID."""
    raise Refused("JSON_INVALID", "JSON", expected="a number", found=text)


_STRICT = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=read_integer, parse_float=_float, parse_constant=refuse_number
)


def _check_surrogates(value: object, what: str) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, str):
            try:
                item.encode("utf-8")
            except UnicodeEncodeError:
                raise Refused("JSON_LONE_SURROGATE", what, expected="paired surrogates") from None
