"""The figures of a gate under load: for programs, and as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from trustlog.bench.gate import GateRun
from trustlog.bench.gate_load import Stretch
from trustlog.bench.machine import describe_machine
from trustlog.bench.percentiles import percentile

INCLUDED: Final = (
    "from request to answer over HTTP: token, judgement, signed record, logged (SQLite WAL, synchronous=FULL), published,"
    " proven to the signed root, released; nobody but the gate writes meanwhile"
)
A_CHANGE: Final = "three receipts, a dry run, two approvals of two people; each asked for once, and looked at once before"
SHARES: Final = (0.5, 0.95, 0.99)
COLUMNS: Final = (
    "load",
    "allowed",
    "a second",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "gate ms",
    "log ms",
    "load ms",
    "a gate's core",
)


def compute_gate_figures(run: GateRun) -> dict[str, Any]:
    """The figures of a run, as ``--json`` prints them; latencies in milliseconds."""
    return {
        "machine": asdict(describe_machine()),
        "included": INCLUDED,
        "a_change": A_CHANGE,
        "changes": run.plan.changes,
        "loads": [_figures_of(stretch) for stretch in run.stretches],
        "allowed": sum(stretch.answers[""] for stretch in run.stretches),
        "denied": sum(stretch.answers.total() - stretch.answers[""] for stretch in run.stretches),
        "judge_alone_ms": round(run.judge_s * 1000, 3),
        "judge_alone_a_second": round(1 / run.judge_s, 1),
        "view_size": run.view_size,
        "gate_rss_bytes": run.rss_bytes,
    }


def describe_gate(figures: dict[str, Any]) -> list[str]:
    """The figures as lines for a person."""
    machine = figures["machine"]
    rows = {
        "machine": f"{machine['cores']} cores, {machine['cpu']}, Python {machine['python']}; load average"
        f" {machine['load_average']} after; gate, log and load share them",
        "included": figures["included"],
        "a change": figures["a_change"],
        "each load": f"{figures['changes']:,} changes of its own; connections ask again once answered, a rate comes at random",
        "judge alone": f"{figures['judge_alone_ms']} ms, {figures['judge_alone_a_second']:,.0f} a second, in process",
        "view": f"{figures['view_size']:,} entries, {figures['gate_rss_bytes'] / 2**20:,.0f} MiB",
    }
    denied = [
        f"denied at {load['load']}: " + ", ".join(f"{count:,} {code}" for code, count in sorted(load["denied"].items()))
        for load in figures["loads"]
        if load["denied"]
    ]
    facts = [f"{name:<12}{text}" for name, text in rows.items()]
    return [*facts, "", *_table(figures["loads"]), "", "gate, log and load ms: CPU time of each process a decision", *denied]


def _figures_of(stretch: Stretch) -> dict[str, Any]:
    asked = len(stretch.latencies_s)
    return {
        "load": str(stretch.offered),
        "connections": stretch.offered.connections,
        "rate": stretch.offered.rate,
        "allowed": stretch.answers[""],
        "denied": {code: count for code, count in stretch.answers.items() if code},
        "elapsed_s": round(stretch.elapsed_s, 3),
        "decisions_a_second": round(asked / stretch.elapsed_s, 1),
        "decisions_a_second_of_gate_cpu": round(asked / stretch.gate_cpu_s, 1) if stretch.gate_cpu_s else None,
        "latency_ms": {f"p{share * 100:g}": round(percentile(stretch.latencies_s, share) * 1000, 2) for share in SHARES},
        "gate_cpu_ms_a_decision": round(stretch.gate_cpu_s / asked * 1000, 3),
        "log_cpu_ms_a_decision": round(stretch.log_cpu_s / asked * 1000, 3),
        "load_cpu_ms_a_decision": round(stretch.load_cpu_s / asked * 1000, 3),
    }


def _table(loads: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each load."""
    rows = [COLUMNS]
    for load in loads:
        a_core = load["decisions_a_second_of_gate_cpu"]
        rows.append(
            (
                load["load"],
                f"{load['allowed']:,}",
                f"{load['decisions_a_second']:,.0f}",
                *(f"{value:.1f}" for value in load["latency_ms"].values()),
                f"{load['gate_cpu_ms_a_decision']:.2f}",
                f"{load['log_cpu_ms_a_decision']:.2f}",
                f"{load['load_cpu_ms_a_decision']:.2f}",
                "-" if a_core is None else f"{a_core:,.0f} a second",
            )
        )
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        yield "  ".join(cells)
