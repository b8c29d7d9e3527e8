"""Histograms in the Prometheus text format: how many observations were at most so large."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

import msgspec


class Histogram(msgspec.Struct, array_like=True):
    """Counts by bucket (one more than there are bounds: the last is for what is larger than all) and the sum of all values."""

    counts: list[int]
    sum: float = 0.0

    @classmethod
    def empty(cls, bounds: Sequence[float]) -> Histogram:
        """Nothing observed yet."""
        return cls([0] * (len(bounds) + 1))

    def observe(self, value: float, bounds: Sequence[float]) -> None:
        """Count a value."""
        self.counts[bisect_left(bounds, value)] += 1
        self.sum += value

    def add(self, other: Histogram) -> None:
        """Count what another counted, with the same bounds."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

    def render(self, name: str, labels: str, bounds: Sequence[float]) -> Iterator[str]:
        """Its lines; `labels` as they stand between braces, without them."""
        total = 0
        comma = "," if labels else ""
        for bound, count in zip([*(f"{bound:g}" for bound in bounds), "+Inf"], self.counts, strict=True):
            total += count
            yield f'{name}_bucket{{{labels}{comma}le="{bound}"}} {total}'
        braces = f"{{{labels}}}" if labels else ""
        yield f"{name}_sum{braces} {self.sum:.9g}"
        yield f"{name}_count{braces} {total}"
