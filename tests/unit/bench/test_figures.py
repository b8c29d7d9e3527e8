"""Figures say what was measured, also of runs that were short or went wrong."""

from __future__ import annotations

from array import array

import pytest

from trustlog.bench.figures import rates_by_tenth
from trustlog.bench.processes import Usage, sum_cpu_s
from trustlog.bench.submitting import Answers
from trustlog.bench.watching import Moment, Watch, compute_index_lag


def answers(receipts: list[int], came_s: list[float]) -> Answers:
    return Answers(came_s=array("d", came_s), latencies_s=array("d", came_s), receipts=array("q", receipts))


def test_a_run_that_slows_down_shows_it_tenth_by_tenth() -> None:
    came_s = [float(n) for n in range(1, 11)] + [10 + 2.0 * n for n in range(1, 11)]
    assert rates_by_tenth(answers([100] * 20, came_s)) == pytest.approx([100.0] * 5 + [50.0] * 5)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_short_runs_have_fewer_tenths_and_lose_no_entry(count: int) -> None:
    rates = rates_by_tenth(answers([10] * count, [float(n + 1) for n in range(count)]))
    assert rates == pytest.approx([10.0] * count)


def test_an_index_lag_is_what_is_published_and_not_indexed() -> None:
    sizes = [(0, 0), (1000, 1000), (2000, 1500), (2000, 2000), (None, None)]
    moments = [Moment(float(n), 0, None, size, complete) for n, (size, complete) in enumerate(sizes)]
    lag = compute_index_lag(moments)
    assert lag is not None
    assert (lag.samples, lag.most_entries, lag.most_ms) == (2, 500, 500.0)
    assert compute_index_lag(moments[:1]) is None


def usage(rss: int, pss: int | None, **cpu_s: float) -> Usage:
    return Usage(len(cpu_s), rss, pss, {int(pid[1:]): spent for pid, spent in cpu_s.items()})


def test_memory_is_proportional_only_if_it_always_was() -> None:
    watch = Watch("http://127.0.0.1:1", None)
    watch.moments = [Moment(n, n * 5, usage(100 + n, 50 + n, p1=0.0), None, None) for n in range(21)]
    memory = watch.memory()
    assert memory is not None
    assert (memory.measure, memory.at_tenth_bytes, memory.most_bytes, memory.at_end_bytes) == ("PSS", 52, 70, 70)
    watch.moments.append(Moment(21.0, 100, usage(100, None, p1=0.0), None, None))
    memory = watch.memory()
    assert memory is not None
    assert (memory.measure, memory.most_bytes, memory.at_end_bytes) == ("RSS", 120, 100)


def test_cpu_time_counts_processes_that_came_and_went() -> None:
    seen = [usage(1, 1, p1=5.0), usage(1, 1, p1=6.0, p2=2.0), usage(1, 1, p1=7.0)]
    assert sum_cpu_s(seen) == pytest.approx(4.0)
