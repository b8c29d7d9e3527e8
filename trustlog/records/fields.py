"""The field types that payload schemas are made of, and strict conversion of a JSON value into a schema.

Hashes stay base64url text in records, as they are signed; :func:`trustlog.formats.base64.decode_b64u` gives the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from trustlog.errors import Refused
from trustlog.formats.didkey import parse_did_key
from trustlog.formats.jsontext import describe
from trustlog.formats.timestamp import parse_timestamp

__all__ = ["UNSET", "Did", "Instant", "Struct", "UnsetType", "UtcInstant", "convert_record", "record_decoder"]

HASH_PATTERN: Final = r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z"  # 43 characters whose unused last two bits are zero
Hash = Annotated[str, Meta(pattern=HASH_PATTERN)]
Salt = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{21}[AQgw]\Z")]  # 16 bytes
TokenHash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,128}\Z")]
Ticket = Annotated[str, Meta(pattern=r"^[a-z0-9.-]{1,64}:[A-Za-z0-9._-]{1,128}\Z")]
Subject = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,128}\Z")]
Role = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
Tool = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,128}\Z")]
Code = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{2,63}\Z")]
Text = Annotated[str, Meta(min_length=1)]
Line = Annotated[str, Meta(min_length=1, max_length=256)]
Note = Annotated[str, Meta(max_length=4096)]
LooseHash = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,}\Z")]  # what Clawsig's schemas ask of a hash
Index = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Seconds = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Number = Annotated[float, Meta(ge=0)] | Annotated[int, Meta(ge=0)]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A closed schema: unknown members are refused, absent optional members are ``UNSET``."""


class Instant:
    """A time as it was written, and its nanoseconds since 1970."""

    __slots__ = ("ns", "text")
    utc_only = False

    def __init__(self, text: str, param: str = "time") -> None:
        self.text = text
        self.ns = parse_timestamp(text, param, utc_only=self.utc_only)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"


class UtcInstant(Instant):
    """A time that our own records carry: ``Z`` only."""

    __slots__ = ()
    utc_only = True


class Did(str):
    """The ``did:key`` of an Ed25519 key, in its one spelling."""

    __slots__ = ()


T = TypeVar("T", bound=msgspec.Struct)


def convert_record(value: Any, schema: type[T], *, code: str = "SCHEMA_VALIDATION_FAILED", param: str = "payload") -> T:
    """`value` as `schema`; a refusal with `code` names the field, what was expected and what was found."""
    try:
        return msgspec.convert(value, schema, dec_hook=_decode_field)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), value, code, param) from None


def record_decoder(schema: type[T]) -> Callable[[bytes], T]:
    """What reads a strict JSON text (:func:`trustlog.formats.jsontext.parse_json`) as `schema`, like :func:`convert_record`.

    It raises ValueError without words for people: give the value to :func:`convert_record` for those.
    """
    return msgspec.json.Decoder(schema, dec_hook=_decode_field).decode


def _decode_field(kind: type, value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("Expected `str`")  # noqa: TRY004 - msgspec wraps ValueError
    try:
        if kind is Did:
            parse_did_key(value)
            return Did(value)
        return kind(value)
    except Refused as refused:
        raise ValueError(f"Expected {refused.expected}") from None


_MISSING = re.compile(r"Object missing required field `(.*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)


def _refusal(message: str, value: Any, code: str, param: str) -> Refused:
    text, _, path = message.rpartition(" - at `$")
    if not text:
        text, path = message, "`"
    where = param + path.rstrip("`")
    if missing := _MISSING.fullmatch(text):
        where += f".{missing[1]}"
        return Refused(code, f"{where} is missing", param=where, expected=missing[1], found="absent")
    if unknown := _UNKNOWN.fullmatch(text):
        where += f".{unknown[1]}"
        return Refused(
            code, f"{where} is not a member of this record", param=where, expected="no unknown member", found=unknown[1]
        )
    expected = text.removeprefix("Expected ").partition(", got")[0].replace("`", "")
    return Refused(
        code, f"{where} is not what the record's schema says", param=where, expected=expected, found=_find(value, path)
    )


def _find(value: Any, path: str) -> str:
    for step in re.findall(r"\.([^.\[`]+)|\[(\d+|\.\.\.)\]", path.rstrip("`")):
        try:
            value = value[step[0]] if step[0] else value[int(step[1])]
        except (KeyError, IndexError, TypeError, ValueError):
            return "another value"
    return describe(value)
