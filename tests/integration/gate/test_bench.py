"""``trustlog gate bench``: every load is measured for itself, and every change that is ready is allowed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from trustlog.bench.gate import GatePlan, GateRun, run_gate_bench
from trustlog.bench.gate_figures import compute_gate_figures, describe_gate
from trustlog.bench.gate_load import Offered, Stretch, arrivals

LOADS = (Offered(connections=1), Offered(connections=3), Offered(rate=200))


def test_a_served_gate_allows_every_change_of_every_load(tmp_path: Path) -> None:
    figures = compute_gate_figures(run_gate_bench(tmp_path, GatePlan(4, LOADS)))
    assert [(load["connections"], load["rate"], load["allowed"]) for load in figures["loads"]] == [
        (1, None, 4),
        (3, None, 4),
        (None, 200, 4),
    ]
    assert (figures["allowed"], figures["denied"]) == (12, 0)
    assert figures["view_size"] >= 2 + 12 * 7 + 12


def test_a_person_sees_each_load_beside_the_others_and_what_was_denied() -> None:
    answers = Counter({"": 2, "JOB_DENIED": 1})
    stretches = [Stretch(load, [0.010, 0.020, 0.030], 0.5, 0.009, 0.006, 0.003, answers) for load in LOADS]
    figures = compute_gate_figures(GateRun(GatePlan(3, LOADS), stretches, 0.0004, 100, 2**20))
    lines = describe_gate(figures)
    table = [line for line in lines if line.startswith(("1 connection ", "3 connections ", "200 a second "))]
    assert len(table) == 3
    assert all(
        line.split()[-9:] == ["6", "20.0", "30.0", "30.0", "3.00", "2.00", "1.00", "333", "a", "second"][-9:]
        for line in table
    )
    assert [line for line in lines if "JOB_DENIED" in line] == [f"denied at {load}: 1 JOB_DENIED" for load in LOADS]


@pytest.mark.parametrize("rate", [1.0, 250.0])
def test_what_comes_at_a_rate_comes_so_often_on_average_and_alike_in_every_run(rate: float) -> None:
    times = arrivals(rate, 20_000)
    assert times == arrivals(rate, 20_000)
    assert times == sorted(times)
    assert 0.95 < times[-1] * rate / 20_000 < 1.05
