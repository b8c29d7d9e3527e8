"""Request ids: what a client quotes, and what our log lines name."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Final

_DIGITS: Final = 16
_AT_ONCE: Final = 256


def make_request_ids() -> Iterator[str]:
    """Random ones, of 16 hexadecimal digits, for ever. The system is asked for many at once: asking costs more than an id."""
    while True:
        digits = secrets.token_hex(_AT_ONCE * _DIGITS // 2)
        for start in range(0, len(digits), _DIGITS):
            yield digits[start : start + _DIGITS]
