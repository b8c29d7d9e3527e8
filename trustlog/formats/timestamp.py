"""Instants: RFC 3339 texts as whole nanoseconds since 1970, so that comparing never rounds.

Accepted is ``YYYY-MM-DDTHH:MM:SS[.1-9 digits](Z|±HH:MM)`` with upper-case letters, a real calendar date and seconds 00 to 59;
our own records write ``Z`` only.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from trustlog.errors import Refused

NS: Final = 1_000_000_000  # nanoseconds in a second

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d):([0-5]\d)(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)


def parse_timestamp(text: str, param: str, *, utc_only: bool = False, code: str = "SCHEMA_VALIDATION_FAILED") -> int:
    """Nanoseconds since 1970-01-01T00:00:00Z; `code` for anything else."""
    match = _RFC3339.fullmatch(text)
    minute_s = None if match is None or (utc_only and not text.endswith("Z")) else _minute(match[1])
    if match is None or minute_s is None:
        expected = "RFC 3339 in UTC, ending in Z" if utc_only else "RFC 3339"
        raise Refused(code, f"{param} is not a time", param=param, expected=expected, found=text)
    _, second, fraction, sign, hours, minutes = match.groups()
    offset_s = (int(hours) * 3600 + int(minutes) * 60) * (1 if sign == "+" else -1) if sign else 0
    fraction_ns = int(fraction.ljust(9, "0")) if fraction else 0
    return (minute_s + int(second) - offset_s) * NS + fraction_ns


@lru_cache(maxsize=4096)  # the times that a log sees crowd in few minutes
def _minute(text: str) -> int | None:
    """Seconds since 1970 of ``YYYY-MM-DDTHH:MM``, None where the calendar has no such minute."""
    year, month, day, hour, minute = int(text[:4]), int(text[5:7]), int(text[8:10]), int(text[11:13]), int(text[14:16])
    try:
        return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp())
    except ValueError:  # the 30th of February
        return None


def format_timestamp(ns: int) -> str:
    """Milliseconds precision, UTC: what our own records carry."""
    return f"{_second_text(ns // NS)}.{ns % NS // 1_000_000:03d}Z"


@lru_cache(maxsize=256)  # what is signed now says now, several times
def _second_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
