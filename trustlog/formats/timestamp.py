"""Instants: RFC 3339 texts as whole nanoseconds since 1970, so that comparing never rounds.

Accepted is ``YYYY-MM-DDTHH:MM:SS[.1-9 digits](Z|±HH:MM)`` with upper-case letters, a real calendar date and seconds 00 to 59;
our own records write ``Z`` only.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from trustlog.errors import Refused

NS: Final = 1_000_000_000  # nanoseconds in a second

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)


def parse_timestamp(text: str, param: str, *, utc_only: bool = False, code: str = "SCHEMA_VALIDATION_FAILED") -> int:
    """Nanoseconds since 1970-01-01T00:00:00Z; `code` for anything else."""
    match = _RFC3339.fullmatch(text)
    moment = None if match is None or (utc_only and not text.endswith("Z")) else _moment(match)
    if match is None or moment is None:
        expected = "RFC 3339 in UTC, ending in Z" if utc_only else "RFC 3339"
        raise Refused(code, f"{param} is not a time", param=param, expected=expected, found=text)
    offset_s = 0
    if match[8]:
        offset_s = (int(match[9]) * 3600 + int(match[10]) * 60) * (1 if match[8] == "+" else -1)
    seconds = int(moment.timestamp()) - offset_s
    return seconds * NS + int((match[7] or "").ljust(9, "0"))


def _moment(match: re.Match[str]) -> datetime | None:
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:  # the 30th of February
        return None


def format_timestamp(ns: int) -> str:
    """Milliseconds precision, UTC: what our own records carry."""
    moment = datetime.fromtimestamp(ns // NS, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{ns % NS // 1_000_000:03d}Z"
