"""Strict JSON, and the two serialised forms of a payload: JSON.stringify and RFC 8785.

Strict means: UTF-8 without BOM, at most 64 levels, no duplicate keys, no NaN or Infinity, no integer beyond
±(2^53-1), no lone surrogate. Objects keep the order in which they were written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring
from typing import Any, NoReturn

import rfc8785

from verifier.errors import Refused
from verifier.limits import MAX_JSON_DEPTH, MAX_SAFE_INTEGER

_STRING = re.compile(rb'"[^"]*"?')  # also unterminated: linear whatever the input
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_INDEX_KEY = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)
_INDEX_KEY_IN_TEXT = re.compile(rb'"(?:0|[1-9][0-9]{0,9})"[ \t\r\n]*:')
# A float, as a dump writes it: with a fraction, or with an exponent. Each begins with one byte, which is found fast;
# a match within a string costs only time.
_FRACTION_IN_DUMP = re.compile(rb"\.[0-9]+(?:e[+-][0-9]+)?[,}\]]")
_EXPONENT_IN_DUMP = re.compile(rb"e[+-][0-9]+[,}\]]")
_LARGE_IN_DUMP = re.compile(rb"[:,\[]-?[0-9]{16}")  # an integer that RFC 8785 may have to refuse
_NESTED = (dict, list)
_SMALL = 16 << 10  # bytes or characters of a text that is handled as a whole
_AT_ONCE = 64  # members or items
_MAX_INDEX_KEY = 2**32 - 2
_WRITTEN_ORDER = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))
_SORTED = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


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


def canonicalize(value: object, what: str = "JSON") -> bytes:
    """The RFC 8785 form of a parsed value."""
    try:
        if isinstance(value, dict | list):
            # The fast path: in ASCII without floats and large integers, RFC 8785 is a compact dump with sorted keys.
            data = _SORTED.encode(value).encode("utf-8")
            if data.isascii() and not _has_float(data) and not _LARGE_IN_DUMP.search(data):
                return data
        return rfc8785.dumps(value)  # type: ignore[arg-type]
    except (rfc8785.CanonicalizationError, RecursionError, ValueError) as error:
        raise Refused("JSON_INVALID", what, found=type(error).__name__) from None


def is_at_most(value: object, max_bytes: int, what: str = "JSON") -> bool:
    """Whether the RFC 8785 form of a parsed value is at most that long."""
    # Where a dump writes a float shorter than RFC 8785 (1e-06, 0.000001), it is not half as long.
    if 2 * len(dump(value)) <= max_bytes:
        return True
    return len(canonicalize(value, what)) <= max_bytes


def dump(value: object) -> bytes:
    """The compact dump of a parsed value in written order, which need be neither accepted form."""
    return _WRITTEN_ORDER.encode(value).encode("utf-8")


def stringify(value: object) -> bytes:
    """The JSON.stringify form of a parsed value (ECMA-262, JSON.stringify and Number::toString)."""
    if isinstance(value, dict | list):
        data = dump(value)
        if not _has_float(data) and not _INDEX_KEY_IN_TEXT.search(data):
            return data  # the fast path: without floats and index-like keys, JSON.stringify is a dump in written order
    parts: list[str] = []
    _stringify(value, parts.append)
    return "".join(parts).encode("utf-8")


def check_payload_text(data: bytes, what: str = "payload") -> dict[str, object]:
    """The object of an accepted payload text: its own JSON.stringify form or its own RFC 8785 form.

    Raises Refused PAYLOAD_TEXT_NOT_ACCEPTED for any other spelling, SCHEMA_VALIDATION_FAILED for what is no object,
    besides what `parse_json` raises.
    """
    value = _parse_accepted(data)
    if value is None:
        value = parse_json(data, what)
        if not (stringify(value) == data or canonicalize(value, what) == data):
            raise Refused("PAYLOAD_TEXT_NOT_ACCEPTED", what, expected="its own JSON.stringify form or its own RFC 8785 form")
    if not isinstance(value, dict):
        raise Refused("SCHEMA_VALIDATION_FAILED", what, expected="an object")
    return value


def parse_sorted(data: bytes) -> dict[str, object] | None:
    """The object of a strict text that is its own compact dump with sorted keys and holds no float; else None.

    Where every key is ASCII, that is the RFC 8785 form.
    """
    value, text = _parse_plain(data)
    return value if isinstance(value, dict) and _is_dump(value, text, _SORTED) else None


def _parse_accepted(data: bytes) -> object | None:
    """The fast path: the value of an accepted text without floats; None if the long way must look."""
    value, text = _parse_plain(data)
    # In ASCII without floats and large integers, RFC 8785 is a compact dump with sorted keys.
    if isinstance(value, dict) and data.isascii() and list(value) == sorted(value) and _is_dump(value, text, _SORTED):
        return value
    # Without floats and index-like keys, JSON.stringify is a dump in written order.
    return value if _is_dump(value, text, _WRITTEN_ORDER) and not _INDEX_KEY_IN_TEXT.search(data) else None


def _parse_plain(data: bytes) -> tuple[object | None, str]:
    """The value of a text without floats that is strict if it is its own dump, and the text; None if it can be neither.

    It asks less of the parser: what a dump never writes, such as a key twice or a half of a surrogate pair, cannot be
    in a text that equals its own.
    """
    try:
        text = data.decode("utf-8")
        value, end = _PLAIN.raw_decode(text)  # a dump has no space around it
    except (ValueError, RecursionError, Refused):
        return None, ""
    return (value if end == len(text) and _has_few_levels(data, value) else None), text


def _is_dump(value: object, text: str, encoder: json.JSONEncoder) -> bool:
    """Whether a text is the dump of a value that has few levels. A large dump is never made as a whole."""
    if not isinstance(value, dict) or len(value) > _AT_ONCE or len(text) <= _SMALL:
        return encoder.encode(value) == text
    end = 0
    for piece in _pieces(value, encoder):
        if not text.startswith(piece, end):
            return False
        end += len(piece)
    return end == len(text)


def _pieces(value: dict[str, object], encoder: json.JSONEncoder) -> Iterator[str]:
    """The dump of an object that is not empty, member by member, and a few items at once of a member that is an array."""
    before = "{"
    for name in sorted(value) if encoder.sort_keys else value:
        yield f"{before}{encoder.encode(name)}:"
        item, before = value[name], ","
        if isinstance(item, list) and item:
            for begin in range(0, len(item), _AT_ONCE):
                yield ("," if begin else "[") + encoder.encode(item[begin : begin + _AT_ONCE])[1:-1]
            yield "]"
        else:
            yield encoder.encode(item)
    yield "}"


def _has_few_levels(data: bytes, value: object) -> bool:
    """Whether a parsed text has at most as many levels as it may have."""
    is_small = len(data) <= _SMALL  # in a large text counting brackets takes longer than counting levels
    return (is_small and _has_few_brackets(data)) or _count_levels(value) <= MAX_JSON_DEPTH


def _count_levels(value: object) -> int:
    """How many levels of arrays and objects a parsed value has."""
    level: list[Any] = [value] if type(value) in _NESTED else []
    count = 0
    while level:
        inner = [one.values() if type(one) is dict else one for one in level]
        level, count = [item for items in inner for item in items if type(item) in _NESTED], count + 1
    return count


def _has_float(dump: bytes) -> bool:
    return _FRACTION_IN_DUMP.search(dump) is not None or _EXPONENT_IN_DUMP.search(dump) is not None


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


def _has_few_brackets(data: bytes) -> bool:
    """Whether a text has too few brackets to be too deep."""
    return data.count(b"[") + data.count(b"{") <= MAX_JSON_DEPTH


def _check_depth(data: bytes, what: str) -> None:
    if _has_few_brackets(data):
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
    if len(text) <= 17 and -MAX_SAFE_INTEGER <= (value := int(text)) <= MAX_SAFE_INTEGER:
        return value
    raise Refused("JSON_NUMBER_OUT_OF_RANGE", "JSON", expected="an integer within ±(2^53-1)")


def _float(text: str) -> float:
    value = float(text)
    # From 2^53 to 10^21 both text forms print an integer token, which no reader of that text may take.
    if value in (float("inf"), float("-inf")) or (value.is_integer() and MAX_SAFE_INTEGER < abs(value) < 1e21):
        raise Refused("JSON_NUMBER_OUT_OF_RANGE", "JSON", expected="a finite double that no form prints as a large integer")
    return value


def _constant(text: str) -> NoReturn:
    raise Refused("JSON_INVALID", "JSON", expected="a number", found=text)


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
_PLAIN = json.JSONDecoder(parse_int=_integer, parse_float=_constant, parse_constant=_constant)


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
