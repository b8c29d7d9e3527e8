"""``trustlog gate bench``: how many decisions a gate makes, on a log made for the run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import click

from trustlog.cli.answer import FAIL, PASS, show
from trustlog.cli.options import json_option
from trustlog.errors import printable

DEFAULT_CONNECTIONS: Final = (1, 4, 16)


@click.command(epilog="\b\nExample:\n  trustlog gate bench --changes 500 --connections 1 --connections 16 --rate 50")
@click.option("--changes", type=click.IntRange(1, 100_000), default=500, show_default=True, help="Decisions of each load.")
@click.option(
    "--connections", type=click.IntRange(1, 256), multiple=True, help="A load of so many that ask at once; repeat."
)
@click.option("--rate", type=click.FloatRange(0.1, 100_000), multiple=True, help="A load of so many a second; repeat.")
@json_option
def bench(*, changes: int, connections: tuple[int, ...], rate: tuple[float, ...], as_json: bool) -> int:
    """Measure a gate: many changes that are ready, on a log made for this and thrown away, each asked for once over HTTP.

    Loads are measured one after the other: without any, 1, 4 and 16 connections. Those show how much a gate does when it is given
    all that it can do, and a --rate how long an answer takes at a load that is carried.

    The log, the gate and the load share this machine; the CPU time of each is told apart. Exit code 1 if anything was denied.
    """
    from trustlog.bench.gate import GatePlan, run_gate_bench  # noqa: PLC0415
    from trustlog.bench.gate_figures import compute_gate_figures, describe_gate  # noqa: PLC0415
    from trustlog.bench.gate_load import Offered  # noqa: PLC0415

    loads = [*(Offered(connections=count) for count in connections), *(Offered(rate=each) for each in rate)]
    plan = GatePlan(changes, loads or [Offered(connections=count) for count in DEFAULT_CONNECTIONS])
    with tempfile.TemporaryDirectory(prefix="trustlog-gate-bench-") as place:
        figures = compute_gate_figures(run_gate_bench(Path(place), plan))
    show(figures, [printable(line) for line in describe_gate(figures)], as_json=as_json)
    return FAIL if figures["denied"] else PASS
