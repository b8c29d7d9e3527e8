"""Request ids: what a client quotes, and what our log lines name."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Final

_DIGITS: Final = 16
_AT_ONCE: Final = 256


class RequestIds:
    """Draws random ids. The system is asked for many at once: asking costs more than an id."""

    def __init__(self) -> None:
        self._ids = _draw()

    def take(self) -> str:
        """One of 16 hexadecimal digits that nobody had before."""
        return next(self._ids)


def _draw() -> Iterator[str]:
    while True:
        digits = secrets.token_hex(_AT_ONCE * _DIGITS // 2)
        for start in range(0, len(digits), _DIGITS):
            yield digits[start : start + _DIGITS]
