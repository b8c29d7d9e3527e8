"""Strict JSON in, exact JSON text out.

Two texts of one value matter here: the RFC 8785 form, which is what this project writes, and the form that JavaScript's
``JSON.stringify`` gives a value parsed from JSON, which is what proxies in the field sign. A payload is accepted only as one
of the two, so whoever holds a payload can tell its exact bytes again from its value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn

import rfc8785

from trustlog.errors import Refused, shorten
from trustlog.limits import MAX_JSON_DEPTH, MAX_SAFE_INTEGER

TYPE_NAMES: Final = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}

_SURROGATE = re.compile("[\ud800-\udfff]")
_INDEX_KEY = re.compile(r"0|[1-9][0-9]{0,9}")
_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)  # linear, also unterminated
MAX_ARRAY_INDEX: Final = 4294967294  # 2^32 - 2, ECMA-262 §6.1.7


def parse_json(text: bytes, param: str = "body") -> Any:
    """The value of one JSON text in UTF-8.

    Refuses what readers disagree on: duplicate member names, NaN and infinities, lone surrogates, integers beyond
    ±(2^53-1), more than 64 levels, a byte order mark (RFC 8259 §4, §6, §8; RFC 7493).
    """
    _check_depth(text, param)
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("JSON_INVALID", f"{param} is not UTF-8 at byte {error.start}", param=param, expected="UTF-8") from None
    try:
        value = json.loads(
            decoded,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_double,
        )
    except json.JSONDecodeError as error:
        at = f"{param} at byte {len(decoded[: error.pos].encode('utf-8'))}"
        raise Refused(
            "JSON_INVALID",
            f"{at}: {error.msg}",
            param=param,
            expected="one JSON value",
            found=decoded[error.pos : error.pos + 20],
        ) from None
    if b"\\ud" in text or b"\\uD" in text:  # UTF-8 has no surrogates: only such an escape can leave one alone
        _check_strings(value, param)
    return value


def canonicalize(value: Any) -> bytes:
    """The RFC 8785 form of a value."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise Refused("JSON_INVALID", f"the value has no RFC 8785 form: {type(error).__name__}") from None


def stringify(value: Any) -> bytes:
    """What ``JSON.stringify(JSON.parse(text))`` gives for the text that `value` was parsed from (ECMA-262 §25.5.2).

    Members keep their order, but those whose names are array indexes come first, in numeric order (§10.1.11.1).
    """
    pieces: list[str] = []
    _write(value, pieces)
    return "".join(pieces).encode("utf-8")


def accepted_text(raw: bytes, value: Any) -> bool:
    """Whether `raw`, which parsed to `value`, is its own ``JSON.stringify`` form or its own RFC 8785 form."""
    return raw in (stringify(value), canonicalize(value))


def too_deep_at(text: bytes, levels: int = MAX_JSON_DEPTH) -> int | None:
    """Where a JSON text opens more than so many levels, None if nowhere; any bytes have an answer."""
    depth = 0
    if text.count(b"[") + text.count(b"{") <= levels:
        return None
    for token in _STRING_OR_BRACKET.finditer(text):
        start = text[token.start()]
        if start in b"[{":
            depth += 1
            if depth > levels:
                return token.start()
        elif start in b"]}":
            depth -= 1
    return None


def describe(value: Any) -> str:
    """A JSON value's type and, for scalars, the value, for an error's ``found``."""
    name = TYPE_NAMES.get(type(value), type(value).__name__)
    return name if isinstance(value, (dict, list)) else f"{name} {json.dumps(value, ensure_ascii=False)}"


def _write(value: Any, pieces: list[str]) -> None:
    if isinstance(value, dict):
        pieces.append("{")
        for position, (name, member) in enumerate(_member_order(value)):
            pieces.append("," if position else "")
            pieces.append(_string(name))
            pieces.append(":")
            _write(member, pieces)
        pieces.append("}")
    elif isinstance(value, list):
        pieces.append("[")
        for position, member in enumerate(value):
            pieces.append("," if position else "")
            _write(member, pieces)
        pieces.append("]")
    elif isinstance(value, str):
        pieces.append(_string(value))
    else:  # RFC 8785 §3.2.2 writes numbers and literals as ECMAScript does
        pieces.append(canonicalize(value).decode("ascii"))


def _string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # short escapes \" \\ \b \t \n \f \r, other controls \u00xx, the rest raw


def _member_order(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    indexes = sorted((int(name), name) for name in value if _is_array_index(name))
    yield from ((name, value[name]) for _, name in indexes)
    yield from ((name, member) for name, member in value.items() if not _is_array_index(name))


def _is_array_index(name: str) -> bool:
    return _INDEX_KEY.fullmatch(name) is not None and int(name) <= MAX_ARRAY_INDEX


def _check_depth(text: bytes, param: str) -> None:
    position = too_deep_at(text)
    if position is not None:
        raise Refused(
            "JSON_TOO_DEEP",
            f"{param} nests too deeply",
            param=param,
            expected=f"at most {MAX_JSON_DEPTH} levels",
            found=f"more, at byte {position}",
        )


def _check_strings(value: Any, param: str) -> None:
    path: list[str] = []
    string = _lone_surrogate(value, path)
    if string is not None:
        where = shorten(param + "".join(reversed(path)))
        raise Refused(
            "JSON_LONE_SURROGATE",
            f"a string in {where} has a lone surrogate",
            param=where,
            expected="Unicode scalar values",
            found=ascii(string),
        )


def _lone_surrogate(value: Any, path: list[str]) -> str | None:
    """The first string with a lone surrogate, its steps added to `path`, innermost first: a path costs only where needed."""
    if isinstance(value, str):
        return value if _SURROGATE.search(value) else None
    if isinstance(value, dict):
        for name, member in value.items():
            string = _lone_surrogate(name, path) or _lone_surrogate(member, path)
            if string is not None:
                path.append(f".{ascii(name)[1:-1]}")
                return string
    elif isinstance(value, list):
        for position, member in enumerate(value):
            string = _lone_surrogate(member, path)
            if string is not None:
                path.append(f"[{position}]")
                return string
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = shorten(ascii(_first_repeated(name for name, _ in pairs))[1:-1])
        raise Refused(
            "JSON_DUPLICATE_KEY",
            f'the member name "{twice}" stands twice in one object',
            param=twice,
            expected="each name once",
            found="twice",
        )
    return members


def _first_repeated(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError


def _constant(name: str) -> NoReturn:
    raise Refused("JSON_INVALID", f"{name} is not JSON", expected="a JSON number", found=name)


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= 17 else None
    if number is None or abs(number) > MAX_SAFE_INTEGER:
        _refuse_number(digits)
    return number


def _double(literal: str) -> float:
    number = float(literal)
    # From 2^53 to 10^21 both text forms would print the value as an integer that the reader of that text must refuse.
    if math.isinf(number) or (number.is_integer() and MAX_SAFE_INTEGER < abs(number) < 1e21):
        _refuse_number(literal)
    return number


def _refuse_number(literal: str) -> NoReturn:
    detail = "a number is too large to be kept exactly by every reader"
    expected = "an integer within ±(2^53-1), or a double outside ±10^21"
    raise Refused("JSON_NUMBER_OUT_OF_RANGE", detail, expected=expected, found=literal)
