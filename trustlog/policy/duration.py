"""Seconds as people say them."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ((86400, "day"), (3600, "hour"), (60, "minute"))


def duration(seconds: int) -> str:
    """A number of seconds in the largest unit that divides it."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds % size == 0), (1, "second"))
    count = seconds // size
    return f"{count} {unit}" + ("" if count == 1 else "s")
