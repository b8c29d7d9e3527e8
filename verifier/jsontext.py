"""Strict JSON, and the two serialised forms of a payload: JSON.stringify and RFC 8785.

Strict means: UTF-8 without BOM, at most 64 levels, no duplicate keys, no NaN or Infinity, no integer beyond
±(2^53-1), no lone surrogate. Objects keep the order in which they were written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import NoReturn

import rfc8785

from verifier.errors import Refused
from verifier.limits import MAX_JSON_DEPTH, MAX_SAFE_INTEGER

_STRING = re.compile(rb'"[^"]*"?')  # also unterminated: linear whatever the input
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_INDEX_KEY = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)
_INDEX_KEY_IN_TEXT = re.compile(rb'"(?:0|[1-9][0-9]{0,9})"[ \t\r\n]*:')
# A float or a negative zero, where compact JSON can have one; a match within a string costs only time.
_FLOAT_IN_TEXT = re.compile(rb"[:,\[]-?[0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)[,}\]]|[:,\[]-0[,}\]]")
_LARGE_IN_TEXT = re.compile(rb"[:,\[]-?[0-9]{16}")  # an integer that RFC 8785 may have to refuse
_MAX_INDEX_KEY = 2**32 - 2
_WRITTEN_ORDER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_SORTED = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


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
        value: object = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        raise Refused("JSON_INVALID", what, found=f"{error.msg} at character {error.pos}") from None
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


def canonicalize(value: object, what: str = "JSON") -> bytes:
    """The RFC 8785 form of a parsed value."""
    try:
        if isinstance(value, dict | list):
            # The fast path: in ASCII without floats and large integers, RFC 8785 is a compact dump with sorted keys.
            data = _SORTED.encode(value).encode("utf-8")
            if data.isascii() and not _FLOAT_IN_TEXT.search(data) and not _LARGE_IN_TEXT.search(data):
                return data
        return rfc8785.dumps(value)  # type: ignore[arg-type]
    except (rfc8785.CanonicalizationError, RecursionError, ValueError) as error:
        raise Refused("JSON_INVALID", what, found=type(error).__name__) from None


def stringify(value: object) -> bytes:
    """The JSON.stringify form of a parsed value (ECMA-262, JSON.stringify and Number::toString)."""
    if isinstance(value, dict | list):
        data = _dump(value)
        if _is_plain(data):
            return data
    parts: list[str] = []
    _stringify(value, parts.append)
    return "".join(parts).encode("utf-8")


def check_payload_text(data: bytes, what: str = "payload") -> dict[str, object]:
    """The object of an accepted payload text: its own JSON.stringify form or its own RFC 8785 form.

    Raises Refused PAYLOAD_TEXT_NOT_ACCEPTED for any other spelling, SCHEMA_VALIDATION_FAILED for what is no object,
    besides what `parse_json` raises.
    """
    value = parse_json(data, what)
    if not (_plain_form_is(data, value) or stringify(value) == data or canonicalize(value, what) == data):
        raise Refused("PAYLOAD_TEXT_NOT_ACCEPTED", what, expected="its own JSON.stringify form or its own RFC 8785 form")
    if not isinstance(value, dict):
        raise Refused("SCHEMA_VALIDATION_FAILED", what, expected="an object")
    return value


def _plain_form_is(data: bytes, value: object) -> bool:
    return _is_plain(data) and _dump(value) == data


def _is_plain(data: bytes) -> bool:
    """The fast path: without floats and index-like keys, JSON.stringify is a compact dump in written order."""
    return not (_FLOAT_IN_TEXT.search(data) or _INDEX_KEY_IN_TEXT.search(data))


def _dump(value: object) -> bytes:
    return _WRITTEN_ORDER.encode(value).encode("utf-8")


def _stringify(value: object, write: Callable[[str], None]) -> None:
    if isinstance(value, str):
        write(encode_basestring(value))
    elif isinstance(value, dict):
        write("{")
        for position, key in enumerate(_javascript_order(value)):
            write(("," if position else "") + encode_basestring(key) + ":")
            _stringify(value[key], write)
        write("}")
    elif isinstance(value, list):
        write("[")
        for position, item in enumerate(value):
            if position:
                write(",")
            _stringify(item, write)
        write("]")
    else:
        write(_scalar(value))


def _scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    assert isinstance(value, float), "a parsed JSON value"
    return canonicalize(value).decode("ascii")  # RFC 8785 writes numbers as ECMAScript does


def _javascript_order(value: dict[str, object]) -> list[str]:
    """Document order, but canonical array indexes first, in numeric order."""
    indexes = [key for key in value if _INDEX_KEY.fullmatch(key) and int(key) <= _MAX_INDEX_KEY]
    if not indexes:
        return list(value)
    first = set(indexes)
    return sorted(indexes, key=int) + [key for key in value if key not in first]


def _check_depth(data: bytes, what: str) -> None:
    if data.count(b"[") + data.count(b"{") <= MAX_JSON_DEPTH:
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


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > MAX_SAFE_INTEGER:
        raise Refused("JSON_NUMBER_OUT_OF_RANGE", "JSON", expected="an integer within ±(2^53-1)")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    # From 2^53 to 10^21 both text forms print an integer token, which no reader of that text may take.
    if value in (float("inf"), float("-inf")) or (value.is_integer() and MAX_SAFE_INTEGER < abs(value) < 1e21):
        raise Refused("JSON_NUMBER_OUT_OF_RANGE", "JSON", expected="a finite double that no form prints as a large integer")
    return value


def _constant(text: str) -> NoReturn:
    raise Refused("JSON_INVALID", "JSON", expected="a number", found=text)


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
