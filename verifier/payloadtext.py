"""Accepted payload texts: those that are their own JSON.stringify form or their own RFC 8785 form, and nothing else.

Nearly every text has no float and few levels, and is its own compact dump. Those are told by comparing the dump with the text,
which catches what the strict parser looks for one by one; the others go the long way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from verifier.errors import Refused
from verifier.jsonforms import SORTED, WRITTEN_ORDER, canonicalize, may_have_index_key, stringify
from verifier.jsontext import has_few_brackets, parse_json, read_integer, refuse_number
from verifier.limits import MAX_JSON_DEPTH

_NESTED = (dict, list)
_SMALL = 16 << 10  # bytes or characters of a text that is handled as a whole
_AT_ONCE = 64  # members or items
_PLAIN = json.JSONDecoder(parse_int=read_integer, parse_float=refuse_number, parse_constant=refuse_number)


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
    return value if isinstance(value, dict) and _is_dump(value, text, SORTED) else None


def _parse_accepted(data: bytes) -> object | None:
    """The fast path: the value of an accepted text without floats; None if the long way must look."""
    value, text = _parse_plain(data)
    # In ASCII without floats and large integers, RFC 8785 is a compact dump with sorted keys.
    if isinstance(value, dict) and data.isascii() and list(value) == sorted(value) and _is_dump(value, text, SORTED):
        return value
    # Without floats and index-like keys, JSON.stringify is a dump in written order.
    return value if _is_dump(value, text, WRITTEN_ORDER) and not may_have_index_key(data) else None


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
    return (is_small and has_few_brackets(data)) or _count_levels(value) <= MAX_JSON_DEPTH


def _count_levels(value: object) -> int:
    """How many levels of arrays and objects a parsed value has."""
    level: list[Any] = [value] if type(value) in _NESTED else []
    count = 0
    while level:
        inner = [one.values() if type(one) is dict else one for one in level]
        level, count = [item for items in inner for item in items if type(item) in _NESTED], count + 1
    return count
