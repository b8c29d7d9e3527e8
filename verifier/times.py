"""RFC 3339 times as exact integers of nanoseconds since 1970-01-01T00:00:00Z; nothing is rounded."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from verifier.errors import Refused

NS = 1_000_000_000
# RFC 3339 has no hour 24, which later Pythons take for the midnight after.
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT(?!24)\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the offset is taken off apart


class _NoTimeError(Exception):
    """What a text that is no time should have been."""


def parse_time(text: str, what: str, *, utc_only: bool = False) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time: upper-case T and Z, a real date, seconds 00 to 59.

    `utc_only` refuses an offset. Raises Refused SCHEMA_VALIDATION_FAILED.
    """
    try:
        return _nanoseconds(text, utc_only)
    except _NoTimeError as error:
        raise Refused("SCHEMA_VALIDATION_FAILED", what, expected=str(error)) from None


@lru_cache(maxsize=1024)  # a receipt, its event and its envelope often tell one time
def _nanoseconds(text: str, utc_only: bool) -> int:
    match = _TIME.fullmatch(text)
    if match is None or (utc_only and match[3] != "Z"):
        raise _NoTimeError("an RFC 3339 time" + (" in UTC, Z" if utc_only else ""))
    date_and_time, fraction, zone = match.groups()
    try:
        since = datetime.fromisoformat(date_and_time) - _EPOCH
    except ValueError:
        raise _NoTimeError("a real date and time") from None
    seconds = since.days * 86_400 + since.seconds - _offset_s(zone)
    return seconds * NS + int((fraction or "").ljust(9, "0"))


def _offset_s(zone: str) -> int:
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        raise _NoTimeError("an offset of at most 23:59")
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)


def parse_judging_time(text: str) -> int:
    """`--at`: an RFC 3339 time, or a date, which means its first instant in UTC."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        text += "T00:00:00Z"
    return parse_time(text, "--at")


def format_time(nanoseconds: int) -> str:
    """UTC text of a time, to the second, for people."""
    seconds = nanoseconds // NS
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"
