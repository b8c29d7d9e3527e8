"""``trustlog gate bench``: how many decisions a gate makes, on a log made for the run."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from trustlog.cli.answer import FAIL, PASS, show
from trustlog.cli.options import json_option
from trustlog.errors import printable


@click.command(epilog="\b\nExample:\n  trustlog gate bench --changes 2000 --connections 16")
@click.option("--changes", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="Decisions to ask for.")
@click.option("--connections", type=click.IntRange(1, 256), default=16, show_default=True, help="At once.")
@json_option
def bench(*, changes: int, connections: int, as_json: bool) -> int:
    """Measure a gate: many changes that are ready, on a log made for this and thrown away, each asked for once over HTTP.

    The log, the gate and the load share this machine; the CPU time of each is told apart. Exit code 1 if anything was denied.
    """
    from trustlog.bench.gate import GatePlan, compute_gate_figures, describe_gate, run_gate_bench  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="trustlog-gate-bench-") as place:
        figures = compute_gate_figures(run_gate_bench(Path(place), GatePlan(changes, connections)))
    show(figures, [printable(line) for line in describe_gate(figures)], as_json=as_json)
    return FAIL if figures["denied"] else PASS
