"""Percentiles are values that were measured."""

from __future__ import annotations

from trustlog.bench.percentiles import percentile


def test_percentiles() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)] == [1, 50, 95, 99, 100]
    assert percentile([3.0], 0.99) == 3
    assert percentile([], 0.5) == 0
