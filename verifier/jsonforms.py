"""The serialised forms of a parsed JSON value: RFC 8785, JSON.stringify, and the compact dump that both mostly are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from json.encoder import encode_basestring

import rfc8785

from verifier.errors import Refused

SORTED = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
WRITTEN_ORDER = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))
_INDEX_KEY = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)
_INDEX_KEY_IN_TEXT = re.compile(rb'"(?:0|[1-9][0-9]{0,9})"[ \t\r\n]*:')
_MAX_INDEX_KEY = 2**32 - 2
# A float, as a dump writes it: with a fraction, or with an exponent. Each begins with one byte, which is found fast;
# a match within a string costs only time.
_FRACTION_IN_DUMP = re.compile(rb"\.[0-9]+(?:e[+-][0-9]+)?[,}\]]")
_EXPONENT_IN_DUMP = re.compile(rb"e[+-][0-9]+[,}\]]")
_LARGE_IN_DUMP = re.compile(rb"[:,\[]-?[0-9]{16}")  # an integer that RFC 8785 may have to refuse


def canonicalize(value: object, what: str = "JSON") -> bytes:
    """The RFC 8785 form of a parsed value."""
    try:
        if isinstance(value, dict | list):
            # The fast path: in ASCII without floats and large integers, RFC 8785 is a compact dump with sorted keys.
            data = SORTED.encode(value).encode("utf-8")
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
    return WRITTEN_ORDER.encode(value).encode("utf-8")


def stringify(value: object) -> bytes:
    """The JSON.stringify form of a parsed value (ECMA-262, JSON.stringify and Number::toString)."""
    if isinstance(value, dict | list):
        data = dump(value)
        if not _has_float(data) and not may_have_index_key(data):
            return data  # the fast path: without floats and index-like keys, JSON.stringify is a dump in written order
    parts: list[str] = []
    _stringify(value, parts.append)
    return "".join(parts).encode("utf-8")


def may_have_index_key(text: bytes) -> bool:
    """Whether a JSON text may have a key that is an array index, which JSON.stringify writes first."""
    return _INDEX_KEY_IN_TEXT.search(text) is not None


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
