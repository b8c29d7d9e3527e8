"""Closed schemas as frozen dataclasses: every member is a field with a rule; anything else is refused.

A rule takes a JSON value and where it stood, and returns the decoded value or raises Refused
SCHEMA_VALIDATION_FAILED. `member(rule)` declares a required field, `optional(rule)` one that may be absent;
null is never absent. Nearly all that is decoded is accepted, so places are not spelled at first: what is refused is
decoded once more, to say where.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn, TypeVar

from verifier.didkey import parse_did_key
from verifier.encodings import decode_b64u
from verifier.entry import HASH_PATTERN
from verifier.errors import Refused
from verifier.jsonforms import is_at_most
from verifier.limits import MAX_LINE_CHARACTERS, MAX_NOTE_CHARACTERS, MAX_SAFE_INTEGER
from verifier.times import parse_time

T = TypeVar("T")
Rule = Callable[[object, str], T]


def refuse(where: str, expected: str, found: object = None) -> NoReturn:
    """Raise the refusal of a schema: where, what was expected, and the kind of thing that was found."""
    shown = None if found is None else type(found).__name__
    raise Refused("SCHEMA_VALIDATION_FAILED", where, expected=expected, found=shown)


def refuse_unknown(where: str) -> NoReturn:
    """Raise the refusal of a member that a closed object does not have."""
    raise Refused("SCHEMA_VALIDATION_FAILED", where, expected="no such member", found="one")


def refuse_absent(where: str) -> NoReturn:
    """Raise the refusal of an object without a required member."""
    raise Refused("SCHEMA_VALIDATION_FAILED", where, expected="this member", found="none")


def member(rule: Rule[T]) -> T:
    """A required member. The declared type is what `rule` returns."""
    result: T = dataclasses.field(metadata={"rule": rule})
    return result


def optional(rule: Rule[T]) -> T | None:
    """A member that may be absent, then None."""
    result: T | None = dataclasses.field(default=None, metadata={"rule": rule})
    return result


def decode(schema: type[T], value: object, where: str) -> T:
    """The instance of a dataclass `schema` that a JSON object spells. Unknown members are refused."""
    if not isinstance(value, dict):
        refuse(where, "an object", value)
    rules, required = _shape(schema)  # type: ignore[arg-type] # every class is hashable
    try:
        members = {name: rules[name](item, "") for name, item in value.items()}
    except (Refused, KeyError):
        _refuse_in_place(schema, value, where)
        raise
    if not required <= members.keys():
        _refuse_in_place(schema, value, where)
    return schema(**members)


def _refuse_in_place(schema: type[Any], value: dict[str, object], where: str) -> None:
    """Refuse the first fault of an object: a member that is unknown, else one that breaks its rule or is not there."""
    rules, required = _shape(schema)  # type: ignore[arg-type] # every class is hashable
    unknown = next((name for name in value if name not in rules), None)
    if unknown is not None:
        refuse_unknown(f"{where}.{unknown[:64]}")
    for name, rule in rules.items():
        if name in value:
            rule(value[name], f"{where}.{name}")
        elif name in required:
            refuse_absent(f"{where}.{name}")


@cache
def _shape(schema: type[Any]) -> tuple[dict[str, Rule[Any]], frozenset[str]]:
    """The rule of each member of a dataclass, and the names of those that must be there."""
    fields = [field for field in dataclasses.fields(schema) if "rule" in field.metadata]
    rules = {field.name: field.metadata["rule"] for field in fields}
    return rules, frozenset(field.name for field in fields if field.default is dataclasses.MISSING)


def object_of(schema: type[T]) -> Rule[T]:
    """A nested closed object."""
    return lambda value, where: decode(schema, value, where)


def list_of(rule: Rule[T], *, minimum: int = 0, maximum: int = 100_000) -> Rule[tuple[T, ...]]:
    """An array whose items all follow `rule`."""

    def check(value: object, where: str) -> tuple[T, ...]:
        if not isinstance(value, list):
            refuse(where, "an array", value)
        if not minimum <= len(value) <= maximum:
            refuse(where, f"{minimum} to {maximum} items")
        try:
            return tuple([rule(item, "") for item in value])
        except Refused:
            for position, item in enumerate(value):
                rule(item, f"{where}[{position}]")
            raise

    return check


def matching(pattern: str, expected: str) -> Rule[str]:
    """A string that matches the whole of `pattern` (ASCII)."""
    compiled = re.compile(pattern, re.ASCII)

    def check(value: object, where: str) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            refuse(where, expected, value if not isinstance(value, str) else None)
        return value

    return check


def one_of(*choices: str) -> Rule[str]:
    """One of the given strings."""

    def check(value: object, where: str) -> str:
        if not isinstance(value, str) or value not in choices:
            refuse(where, " or ".join(choices))
        return value

    return check


def nullable(rule: Rule[T]) -> Rule[T | None]:
    """Null, or what `rule` accepts."""
    return lambda value, where: None if value is None else rule(value, where)


def string(value: object, where: str) -> str:
    """Any string."""
    if not isinstance(value, str):
        refuse(where, "a string", value)
    return value


def text(value: object, where: str) -> str:
    """A non-empty string."""
    if not isinstance(value, str) or not value:
        refuse(where, "a non-empty string", value)
    return value


def text_of(minimum: int, maximum: int) -> Rule[str]:
    """A string of `minimum` to `maximum` characters (Unicode code points)."""

    def check(value: object, where: str) -> str:
        if not isinstance(value, str) or not minimum <= len(value) <= maximum:
            refuse(where, f"{minimum} to {maximum} characters", value if not isinstance(value, str) else None)
        return value

    return check


def flag(value: object, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        refuse(where, "true or false", value)
    return value


def integer(minimum: int = 0, maximum: int = MAX_SAFE_INTEGER) -> Rule[int]:
    """An integer within bounds."""

    def check(value: object, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            refuse(where, f"an integer from {minimum} to {maximum}")
        return value

    return check


def number(value: object, where: str) -> float:
    """Any number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        refuse(where, "a number", value)
    return value


def amount(value: object, where: str) -> float:
    """A number that is not negative."""
    if number(value, where) < 0:
        refuse(where, "a number that is not negative")
    return number(value, where)


def anything(value: object, where: str) -> object:
    """Any JSON value."""
    return value


def free_object(max_bytes: int | None = None) -> Rule[dict[str, object]]:
    """An object with any members, at most `max_bytes` in its RFC 8785 form."""

    def check(value: object, where: str) -> dict[str, object]:
        if not isinstance(value, dict):
            refuse(where, "an object", value)
        if max_bytes is not None and not is_at_most(value, max_bytes, where):
            refuse(where, f"at most {max_bytes} bytes")
        return value

    return check


def time(value: object, where: str) -> int:
    """An RFC 3339 time in UTC; decoded to nanoseconds since 1970."""
    return parse_time(string(value, where), where, utc_only=True)


def any_time(value: object, where: str) -> int:
    """An RFC 3339 time with any offset; decoded to nanoseconds since 1970."""
    return parse_time(string(value, where), where)


def salt(value: object, where: str) -> str:
    """22 characters: 16 random bytes in base64url."""
    try:
        decode_b64u(string(value, where), where, length=16)
    except Refused as refused:
        raise Refused("SCHEMA_VALIDATION_FAILED", where, expected=refused.expected, found=refused.found) from None
    return string(value, where)


hash43 = matching(HASH_PATTERN, "base64url of a SHA-256")
hex64 = matching("[0-9a-f]{64}", "64 lower-case hex digits")
identifier = matching(r"[A-Za-z0-9._:-]{1,128}", "1 to 128 of A-Z a-z 0-9 . _ : -")
ticket = matching(r"[a-z0-9.-]{1,64}:[A-Za-z0-9._-]{1,128}", "<system>:<id>")
subject = matching(r"[A-Za-z0-9._-]{1,128}", "an opaque id of 1 to 128 characters")
role_name = matching(r"[A-Za-z0-9._-]{1,64}", "1 to 64 of A-Z a-z 0-9 . _ -")
loose_hash = matching(r"[A-Za-z0-9_-]{8,}", "at least 8 characters of base64url")
did = matching(r"did:[\s\S]*", "a DID")  # what Clawsig's schemas ask of one
line = text_of(1, MAX_LINE_CHARACTERS)
note = text_of(0, MAX_NOTE_CHARACTERS)
code = matching(r"[A-Z][A-Z0-9_]{2,63}", "a reason code")
tool_name = matching(r"[A-Za-z0-9._-]{1,64}", "a tool name of 1 to 64 of A-Z a-z 0-9 . _ -")


def did_key(value: object, where: str) -> str:
    """did:key of an Ed25519 key."""
    try:
        parse_did_key(string(value, where))
    except Refused as refused:
        raise Refused("SCHEMA_VALIDATION_FAILED", where, expected=refused.expected) from None
    return string(value, where)
