"""Percentiles of measured values."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed; 0 of none."""
    if not values:
        return 0.0
    rank = math.ceil(len(values) * share)
    return sorted(values)[min(max(rank, 1), len(values)) - 1]
