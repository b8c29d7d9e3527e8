"""The figures of a run: for programs, and for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from trustlog.bench.load import percentile
from trustlog.bench.run import Run

DURABILITY: Final = "answered once stored (SQLite WAL, synchronous=FULL), signed, published and proven"


def compute_figures(run: Run) -> dict[str, Any]:
    """The figures of a run, as ``--json`` prints them; latencies in milliseconds, of whole requests."""
    measured, latencies = run.measured, run.measured.latencies_s
    rate = measured.verified / measured.elapsed_s
    tenth = max(len(latencies) // 10, 1)
    return {
        "machine": asdict(run.machine),
        "durability": DURABILITY,
        "entries": run.load.count,
        "envelope_bytes": run.load.maker.envelope_bytes,
        "payload_bytes": run.load.maker.payload_bytes,
        "entry_bytes": run.load.maker.entry_bytes,
        "one_by_one": run.plan.shape.one_by_one,
        "batch": run.plan.shape.receipts_a_request,
        "connections": run.plan.shape.connections,
        "signing_s": round(run.signing_s, 3),
        "elapsed_s": round(measured.elapsed_s, 3),
        "verified": measured.verified,
        "refused": dict(measured.refused),
        "entries_a_second": round(rate, 1),
        "latency_ms": {f"p{share * 100:g}": _ms(percentile(latencies, share)) for share in (0.5, 0.95, 0.99)},
        "latency_p50_ms_first_tenth": _ms(percentile(latencies[:tenth], 0.5)),
        "latency_p50_ms_last_tenth": _ms(percentile(latencies[-tenth:], 0.5)),
        "ed25519_checks_a_second": round(run.ed25519_a_second, 1),
        "share_of_ed25519": round(rate / run.ed25519_a_second, 3) if run.ed25519_a_second else None,
        "sample": None if run.sampled is None else asdict(run.sampled),
        "sample_failure": None if run.failure is None else run.failure.code,
        "disk": None if run.disk is None else _disk_figures(run),
        "server_memory_bytes": run.memory_bytes,
    }


def describe(figures: Mapping[str, Any]) -> list[str]:
    """The figures as a table of a few lines."""
    rows = {
        "machine": _describe_machine(figures["machine"]),
        "durability": figures["durability"],
        "load": _describe_load(figures),
        "result": f"{figures['verified']:,} verified answers in {figures['elapsed_s']:.2f} s:"
        f" {figures['entries_a_second']:,.0f} entries/s",
        "refused": ", ".join(f"{count:,} {code}" for code, count in sorted(figures["refused"].items())),
        "latency": _describe_latency(figures),
        "ed25519": f"{figures['ed25519_checks_a_second']:,.0f} bare checks/s on all cores in this run;"
        f" the log's entries/s are {figures['share_of_ed25519']} of that",
        "sample": _describe_sample(figures),
        "disk": _describe_disk(figures["disk"]),
        "memory": _describe_memory(figures["server_memory_bytes"]),
    }
    return [f"{name:<12}{text}" for name, text in rows.items() if text]


def _describe_machine(machine: Mapping[str, Any]) -> str:
    return (
        f"{machine['cores']} cores, {machine['cpu']}, Python {machine['python']}, {machine['system']}; load average"
        f" {machine['load_average']} before"
    )


def _describe_load(figures: Mapping[str, Any]) -> str:
    way = "one a request" if figures["one_by_one"] else f"in batches of {figures['batch']}"
    return (
        f"{figures['entries']:,} receipts of {figures['envelope_bytes']:,} bytes (payload {figures['payload_bytes']}, entry"
        f" {figures['entry_bytes']}), {way}, {figures['connections']} connections; signed before, in {figures['signing_s']:.1f} s"
    )


def _describe_latency(figures: Mapping[str, Any]) -> str:
    request = "an entry" if figures["one_by_one"] else "a batch"
    parts = ", ".join(f"{name} {value:.1f} ms" for name, value in figures["latency_ms"].items())
    first, last = figures["latency_p50_ms_first_tenth"], figures["latency_p50_ms_last_tenth"]
    return f"of {request}: {parts} (p50 of the first tenth {first:.1f} ms, of the last {last:.1f} ms)"


def _describe_sample(figures: Mapping[str, Any]) -> str:
    sample = figures["sample"]
    if sample is None:
        return f"FAILED: {figures['sample_failure']}"
    lag = sample["index_lag_s"]
    return (
        f"{sample['entries']} entries read again and proven at size {sample['tree_size']:,}, {sample['checkpoints']} checkpoints"
        f" consistent; lookup index {'not complete in time' if lag is None else f'complete {lag:.2f} s after the load'}"
    )


def _describe_disk(disk: Mapping[str, Any] | None) -> str:
    if disk is None:
        return ""
    return (
        f"log.db and guard.db grew by {disk['log_growth_bytes']:,} bytes, {disk['growth_ratio']} of entries and payloads"
        f" ({disk['wal_bytes']:,} more in write-ahead logs); index.db {disk['index_bytes']:,}"
    )


def _describe_memory(memory_bytes: int | None) -> str:
    return "" if memory_bytes is None else f"{memory_bytes / 2**20:,.0f} MiB at most, all processes of the server"


def _disk_figures(run: Run) -> dict[str, Any]:
    assert run.disk is not None
    before, after = run.disk
    content = run.measured.verified * (run.load.maker.payload_bytes + run.load.maker.entry_bytes)
    growth = after.log_bytes - before.log_bytes
    return {
        "log_growth_bytes": growth,
        "content_bytes": content,
        "growth_ratio": round(growth / content, 3) if content else None,
        **asdict(after),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
