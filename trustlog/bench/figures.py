"""The figures of a run, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, Final

from trustlog.bench.percentiles import percentile
from trustlog.bench.run import Run
from trustlog.bench.submitting import Answers
from trustlog.bench.throwaway import Restarted

DURABILITY: Final = "answered once stored (SQLite WAL, synchronous=FULL), signed, published and proven"
EARLY_ENTRIES: Final = 10_000


def compute_figures(run: Run, restarted: Restarted | None = None) -> dict[str, Any]:
    """The figures of a run, as ``--json`` prints them; latencies in milliseconds, of whole requests."""
    judged, written = run.written.judged, run.written
    rate = judged.logged / written.elapsed_s
    bare = sum(run.ed25519_a_second) / len(run.ed25519_a_second)
    shape = run.plan.shape
    return {
        "machine": asdict(run.machine),
        "durability": DURABILITY,
        "entries": run.plan.entries,
        "envelope_bytes": run.file.envelope_bytes,
        "payload_bytes": run.file.payload_bytes,
        "entry_bytes": run.file.entry_bytes,
        "signers": len(run.plan.signers),
        "one_by_one": shape.one_by_one,
        "batch": shape.receipts_a_request,
        "connections": shape.connections,
        "rate_limit": shape.rate or None,
        "signing_s": round(run.signing_s, 3),
        "elapsed_s": round(written.elapsed_s, 3),
        "logged": judged.logged,
        "refused": dict(judged.refused),
        "entries_a_second": round(rate, 1),
        "entries_a_second_by_tenth": [round(tenth, 1) for tenth in rates_by_tenth(written.answers)],
        "checked": {
            "proven_at_once": judged.proven,
            "one_in": run.plan.check_every,
            "checkpoints": judged.checkpoints_seen,
            "seed": run.plan.seed,
        },
        **_latencies(written.answers),
        "ed25519_checks_a_second": round(bare, 1),
        "ed25519_checks_a_second_before_after": [round(each, 1) for each in run.ed25519_a_second],
        "share_of_ed25519": round(rate / bare, 3) if bare else None,
        "bench_cpu_s": round(written.cpu_s, 3),
        "bench_us_an_entry": round(written.cpu_s / run.plan.entries * 1e6, 2),
        "server_cpu_s": None if run.server_cpu_s is None else round(run.server_cpu_s, 2),
        "server_us_an_entry": None if run.server_cpu_s is None else round(run.server_cpu_s / run.plan.entries * 1e6, 1),
        "memory": None if run.memory is None else asdict(run.memory),
        "index_lag": None if run.index_lag is None else asdict(run.index_lag),
        "sample": None if run.sampled is None else asdict(run.sampled),
        "whole_size": run.whole_size,
        "failure": None if run.failure is None else run.failure.code,
        "disk": None if run.disk is None else _disk_figures(run),
        "restart": None if restarted is None else {name: _rounded(value) for name, value in asdict(restarted).items()},
    }


def rates_by_tenth(answers: Answers) -> list[float]:
    """Entries answered a second in each tenth of the run, by entries; fewer figures where there were fewer answers."""
    total = sum(answers.receipts)
    marks: list[tuple[int, float]] = [(0, 0.0)]  # entries answered, and when
    done = 0
    for receipts, came_s in zip(answers.receipts, answers.came_s, strict=True):
        done += receipts
        if done * 10 >= len(marks) * total:
            marks.append((done, came_s))
    return [
        (entries - before) / (came_s - before_s)
        for (before, before_s), (entries, came_s) in pairwise(marks)
        if came_s > before_s
    ]


def _latencies(answers: Answers) -> dict[str, Any]:
    latencies = answers.latencies_s
    tenth = max(len(latencies) // 10, 1)
    first, last, early = latencies[:tenth], latencies[-tenth:], _early(answers)
    at_end = percentile(last, 0.5)
    return {
        "latency_ms": _percentiles(latencies),
        "latency_ms_first_tenth": _percentiles(first),
        "latency_ms_last_tenth": _percentiles(last),
        "latency_p50_end_to_first_tenth": _ratio(at_end, percentile(first, 0.5)),
        f"latency_p50_end_to_first_{EARLY_ENTRIES}": _ratio(at_end, percentile(early, 0.5)),
    }


def _early(answers: Answers) -> Sequence[float]:
    """Latencies of the requests that brought the first entries."""
    done = 0
    for number, receipts in enumerate(answers.receipts):
        done += receipts
        if done >= EARLY_ENTRIES:
            return answers.latencies_s[: number + 1]
    return answers.latencies_s


def _percentiles(latencies_s: Sequence[float]) -> dict[str, float]:
    return {f"p{share * 100:g}": round(percentile(latencies_s, share) * 1000, 3) for share in (0.5, 0.95, 0.99)}


def _disk_figures(run: Run) -> dict[str, Any]:
    assert run.disk is not None
    before, after = run.disk
    content = run.written.judged.logged * (run.file.payload_bytes + run.file.entry_bytes)
    growth = after.log_bytes + after.guard_bytes - before.log_bytes - before.guard_bytes
    index_growth = after.index_bytes - before.index_bytes
    return {
        "log_growth_bytes": growth,
        "index_growth_bytes": index_growth,
        "content_bytes": content,
        "growth_ratio": _ratio(growth, content),
        "growth_ratio_with_index": _ratio(growth + index_growth, content),
        **asdict(after),
    }


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 3) if whole else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
