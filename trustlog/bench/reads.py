"""One run of the read load, and its figures."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from trustlog.bench.generating import Target, generating
from trustlog.bench.machine import Machine, describe_machine
from trustlog.bench.percentiles import percentile
from trustlog.bench.reading import Read, ReadJob
from trustlog.bench.run import Report
from trustlog.bench.view import View, read_view
from trustlog.bench.watching import WATCH_S, Memory, Watch
from trustlog.client.http import open_session
from trustlog.client.log import LogClient


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Random reads for `seconds` on so many `connections`; one in `check_every` tiles and bundles is checked to the root."""

    target: Target
    connections: int
    seconds: float
    check_every: int
    seed: int
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class ReadRun:
    """What one run was, and what came of it."""

    plan: ReadPlan
    machine: Machine
    tree_size: int
    read: Read
    memory: Memory | None
    server_cpu_s: float | None

    @property
    def passed(self) -> bool:
        """Whether everything was answered, and everything that was checked proven."""
        return not self.read.refused and self.read.answered > 0


def run_reads(plan: ReadPlan, report: Report) -> ReadRun:
    """Run it. Raises Refused before the clock starts: LOG_UNREACHABLE, what a checkpoint or a tile is refused for."""
    machine = describe_machine()
    view = asyncio.run(_read_view(plan))
    watch = Watch(plan.target.url, plan.pid)
    job = ReadJob(plan.target, view, plan.connections, plan.seconds, plan.check_every, plan.seed)
    with generating(job) as generator:
        generator.await_ready()
        watch.look(0)
        generator.begin()
        seconds = 0
        while (read := generator.poll(WATCH_S)) is None:
            seconds += 1
            watch.look(seconds)
            report("seconds of reads", seconds, round(plan.seconds))
        watch.look(seconds)
    return ReadRun(plan, machine, view.size, read, watch.memory(), watch.server_cpu_s())


def compute_read_figures(run: ReadRun) -> dict[str, Any]:
    """The figures, as ``--json`` prints them; latencies in milliseconds."""
    read = run.read
    return {
        "machine": asdict(run.machine),
        "tree_size": run.tree_size,
        "connections": run.plan.connections,
        "elapsed_s": round(read.elapsed_s, 3),
        "reads_a_second": round(read.answered / read.elapsed_s, 1),
        "refused": dict(read.refused),
        "reads": {
            kind: {
                "answered": reads.answered,
                "proven": reads.proven,
                **{
                    f"p{share * 100:g}_ms": round(percentile(reads.latencies_s, share) * 1000, 3)
                    for share in (0.5, 0.95, 0.99)
                },
            }
            for kind, reads in read.kinds.items()
        },
        "check_every": run.plan.check_every,
        "seed": run.plan.seed,
        "bench_cpu_s": round(read.cpu_s, 3),
        "server_cpu_s": None if run.server_cpu_s is None else round(run.server_cpu_s, 2),
        "memory": None if run.memory is None else asdict(run.memory),
    }


def describe_reads(figures: Mapping[str, Any]) -> list[str]:
    """The figures as a table of a few lines."""
    rows = {
        "log": f"{figures['tree_size']:,} entries, {figures['connections']} connections, {figures['elapsed_s']:.1f} s",
        "result": f"{figures['reads_a_second']:,.0f} reads/s",
        "refused": ", ".join(f"{count:,} {code}" for code, count in sorted(figures["refused"].items())),
        **{kind: _kind(reads) for kind, reads in figures["reads"].items()},
    }
    return [f"{name:<12}{text}" for name, text in rows.items() if text]


def _kind(reads: Mapping[str, Any]) -> str:
    return (
        f"{reads['answered']:,} answered, {reads['proven']:,} proven to the signed root; p50 {reads['p50_ms']:.1f} ms,"
        f" p95 {reads['p95_ms']:.1f} ms, p99 {reads['p99_ms']:.1f} ms"
    )


async def _read_view(plan: ReadPlan) -> View:
    async with open_session() as session:
        target = plan.target
        return await read_view(LogClient(target.url, target.trust, session, credential=target.credential), seed=plan.seed)
