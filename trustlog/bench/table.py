"""The figures of a run as a table of a few lines, for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trustlog.bench.figures import EARLY_ENTRIES

_MIB = 2**20


def describe(figures: Mapping[str, Any]) -> list[str]:
    """A line for each thing that was measured."""
    rows = {
        "machine": _machine(figures["machine"]),
        "durability": figures["durability"],
        "load": _load(figures),
        "result": f"{figures['logged']:,} entries logged in {figures['elapsed_s']:.2f} s: {figures['entries_a_second']:,.0f}"
        " entries/s",
        "by tenth": " ".join(f"{rate:,.0f}" for rate in figures["entries_a_second_by_tenth"]) + " entries/s",
        "refused": ", ".join(f"{count:,} {code}" for code, count in sorted(figures["refused"].items())),
        "latency": _latency(figures),
        "ed25519": _ed25519(figures),
        "cpu": _cpu(figures),
        "memory": _memory(figures["memory"]),
        "index": _index(figures),
        "checked": _checked(figures),
        "read again": _sample(figures),
        "disk": _disk(figures["disk"]),
        "restart": _restart(figures["restart"]),
    }
    return [f"{name:<12}{text}" for name, text in rows.items() if text]


def _machine(machine: Mapping[str, Any]) -> str:
    return (
        f"{machine['cores']} cores, {machine['cpu']}, Python {machine['python']}, SQLite {machine['sqlite']},"
        f" {machine['system']}; load average {machine['load_average']} before"
    )


def _load(figures: Mapping[str, Any]) -> str:
    way = "one a request" if figures["one_by_one"] else f"in batches of {figures['batch']}"
    rate = f", at most {figures['rate_limit']:,.0f} a second" if figures["rate_limit"] else ""
    return (
        f"{figures['entries']:,} receipts of {figures['envelope_bytes']:,} bytes (payload {figures['payload_bytes']}, entry"
        f" {figures['entry_bytes']}) by {figures['signers']} gateways, {way}, {figures['connections']} connections{rate};"
        f" signed before, in {figures['signing_s']:.1f} s"
    )


def _latency(figures: Mapping[str, Any]) -> str:
    request = "an entry" if figures["one_by_one"] else "a batch"
    parts = ", ".join(f"{name} {value:.1f} ms" for name, value in figures["latency_ms"].items())
    first, last = figures["latency_ms_first_tenth"]["p50"], figures["latency_ms_last_tenth"]["p50"]
    ratio = figures[f"latency_p50_end_to_first_{EARLY_ENTRIES}"]
    return (
        f"of {request}: {parts} (p50 of the first tenth {first:.1f} ms, of the last {last:.1f} ms, which is {ratio} of that of"
        f" the first {EARLY_ENTRIES:,} entries)"
    )


def _ed25519(figures: Mapping[str, Any]) -> str:
    before, after = figures["ed25519_checks_a_second_before_after"]
    return (
        f"{before:,.0f} bare checks/s on all cores before, {after:,.0f} after; the log's entries/s are"
        f" {figures['share_of_ed25519']} of their mean"
    )


def _cpu(figures: Mapping[str, Any]) -> str:
    bench = f"bench {figures['bench_cpu_s']:.1f} s ({figures['bench_us_an_entry']:.1f} µs an entry)"
    if figures["server_cpu_s"] is None:
        return bench
    return f"server {figures['server_cpu_s']:.1f} s ({figures['server_us_an_entry']:.0f} µs an entry), {bench}"


def _memory(memory: Mapping[str, Any] | None) -> str:
    if memory is None:
        return ""
    return (
        f"{memory['most_bytes'] / _MIB:,.0f} MiB at most ({memory['measure']}, {memory['processes']} processes),"
        f" {memory['at_tenth_bytes'] / _MIB:,.0f} at a tenth of the run, {memory['at_end_bytes'] / _MIB:,.0f} at its end"
    )


def _index(figures: Mapping[str, Any]) -> str:
    lag = figures["index_lag"]
    if lag is None:
        return ""
    return (
        f"behind by at most {lag['most_entries']:,} entries ({lag['most_ms']:,.0f} ms), p99 {lag['p99_entries']:,}"
        f" ({lag['p99_ms']:,.0f} ms), in {lag['samples']} samples"
    )


def _checked(figures: Mapping[str, Any]) -> str:
    checked = figures["checked"]
    return (
        f"every answer by index, leaf hash and known checkpoint; {checked['proven_at_once']:,} proven in full at once: one in"
        f" {checked['one_in']} (seed {checked['seed']}) and the first under each of {checked['checkpoints']:,} checkpoints"
    )


def _sample(figures: Mapping[str, Any]) -> str:
    sample = figures["sample"]
    if sample is None:
        return f"FAILED: {figures['failure']}"
    lag = sample["index_lag_s"]
    whole = (
        "" if figures["whole_size"] is None else f"; all {figures['whole_size']:,} entries read back give the signed root"
    )
    whole = f"; the whole log FAILED: {figures['failure']}" if figures["failure"] else whole
    return (
        f"{sample['entries']} entries proven at size {sample['tree_size']:,}, {sample['checkpoints']} checkpoints consistent;"
        f" lookup index {'not complete in time' if lag is None else f'complete {lag:.2f} s after the load'}{whole}"
    )


def _disk(disk: Mapping[str, Any] | None) -> str:
    if disk is None:
        return ""
    return (
        f"log.db and guard.db grew by {disk['log_growth_bytes']:,} bytes, {disk['growth_ratio']} of entries and payloads"
        f" ({disk['wal_bytes']:,} more in write-ahead logs); index.db by {disk['index_growth_bytes']:,},"
        f" {disk['growth_ratio_with_index']} with it"
    )


def _restart(restart: Mapping[str, Any] | None) -> str:
    if restart is None:
        return ""
    ready = "not ready in time" if restart["ready_s"] is None else f"ready after {restart['ready_s']:.2f} s"
    return f"stopped in {restart['stop_s']:.2f} s; started again, it listened after {restart['listening_s']:.2f} s, {ready}"
