"""Which content coding a client takes (RFC 9110, section 12.5.3)."""

from __future__ import annotations


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether ``Accept-Encoding`` names gzip, or anything, with a weight above zero. What cannot be read is not accepted."""
    weights: dict[str, float] = {}
    for each in (accept_encoding or "").split(","):
        coding, _, parameter = each.partition(";")
        name, _, value = parameter.partition("=")
        try:
            weight = float(value) if name.strip().lower() == "q" else 1.0
        except ValueError:
            weight = 0.0
        weights[coding.strip().lower()] = weight
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0
