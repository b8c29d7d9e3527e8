"""Counters, histograms and gauges, in the Prometheus text format (version 0.0.4).

Each front end counts what it does; whichever is asked adds up what all of them show in shared memory, a tenth of a second old.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec
from aiohttp import web

from trustlog.log.commit import Place
from trustlog.log.link import Submitted
from trustlog.log.log import Log
from trustlog.log.shared import Slot
from trustlog.service.histogram import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

GAUGES: Final = {
    "trustlog_tree_size": "Entries, by stage.",
    "trustlog_index_complete_to": "Every entry below this index can be looked up.",
    "trustlog_read_only": "1 if nothing may be written.",
    "trustlog_ready": "1 if entries are taken at the moment.",
}
SUMMED_GAUGES: Final = {
    "trustlog_queue_length": "Admitted entries that are not answered yet.",
    "trustlog_connections": "Open connections.",
}
COUNTERS: Final = {
    "trustlog_requests_total": "Requests answered, by route, method and status.",
    "trustlog_refusals_total": "Requests and batch lines refused, by reason code.",
    "trustlog_entries_answered_total": "Submissions answered with success, by result.",
    "trustlog_connections_refused_total": "Connections turned away, because as many were open as may be.",
}
HISTOGRAMS: Final[dict[str, tuple[str, tuple[float, ...]]]] = {
    "trustlog_request_seconds": (
        "How long requests took until their answer was ready, by route and method; batches apart.",
        (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    ),
    "trustlog_batch_lines": ("Lines of a batch that were answered.", (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)),
    "trustlog_checkpoint_entries": (
        "New entries of a checkpoint, counted where its first entry is answered.",
        (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
    ),
}
HELP: Final = {**GAUGES, **SUMMED_GAUGES, **COUNTERS, **{name: text for name, (text, _) in HISTOGRAMS.items()}}
_METHODS: Final = frozenset({"GET", "HEAD", "POST"})

_Labels: TypeAlias = tuple[tuple[str, str], ...]

_NEW: Final = (("result", "new"),)
_ALREADY_LOGGED: Final = (("result", "already_logged"),)


class Counts(msgspec.Struct, array_like=True):
    """What one front end has counted, and what it has under way: by name, and by labels."""

    counters: dict[str, dict[_Labels, int]]
    histograms: dict[str, dict[_Labels, Histogram]]
    gauges: dict[str, int]

    def add(self, other: Counts) -> None:
        """Add up."""
        for name, counts in other.counters.items():
            own = self.counters.setdefault(name, {})
            for labels, count in counts.items():
                own[labels] = own.get(labels, 0) + count
        for name, histograms in other.histograms.items():
            for labels, histogram in histograms.items():
                held = self.histograms.setdefault(name, {})
                held.setdefault(labels, Histogram.empty(HISTOGRAMS[name][1])).add(histogram)
        for name, value in other.gauges.items():
            self.gauges[name] = self.gauges.get(name, 0) + value


def _no_counts() -> Counts:
    return Counts({name: {} for name in COUNTERS}, {name: {} for name in HISTOGRAMS}, {})


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Counts)


class Metrics:
    """What was counted since the start."""

    def __init__(self, peers: Sequence[Slot] = ()) -> None:
        """`peers` show what other front ends of the same log have counted."""
        self._peers = peers
        self._own = _no_counts()

    def count_request(self, request: web.Request, status: int, seconds: float | None) -> None:
        """Count an answered request under its route, never under its path; and how long it took, unless the client decided that."""
        resource = request.match_info.route.resource
        route = "unknown" if resource is None else resource.canonical
        method = request.method if request.method in _METHODS else "other"
        labels = ("route", route), ("method", method)
        self._count("trustlog_requests_total", (*labels, ("status", str(status))))
        if seconds is not None:
            self._observe("trustlog_request_seconds", seconds, labels)

    def count_refusal(self, code: str) -> None:
        """Count a refusal, of a request or of one line of a batch."""
        self._count("trustlog_refusals_total", (("code", code),))

    def count_refused_connection(self) -> None:
        """Count a connection that was turned away."""
        self._count("trustlog_connections_refused_total")

    def count_batch(self, lines: int) -> None:
        """Count a batch of which so many lines were answered."""
        self._observe("trustlog_batch_lines", lines)

    def count_logged(self, submitted: Submitted) -> None:
        """Count the submissions that are answered with success; and the checkpoint, if this is who began it."""
        new = again = 0
        old_size, began = submitted.batch.old_size, False
        for outcome in submitted.outcomes:
            if not isinstance(outcome, Place):
                continue
            if outcome.already_logged:
                again += 1
            else:
                new += 1
                began = began or outcome.index == old_size
        if again:
            self._count("trustlog_entries_answered_total", _ALREADY_LOGGED, again)
        if new:
            self._count("trustlog_entries_answered_total", _NEW, new)
        if began:
            self._observe("trustlog_checkpoint_entries", submitted.batch.tree.size - old_size)

    def set_gauge(self, name: str, value: int) -> None:
        """Show how much is under way here, under a name of :data:`SUMMED_GAUGES`."""
        assert name in SUMMED_GAUGES
        self._own.gauges[name] = value

    def encode(self) -> bytes:
        """What was counted here, for a peer's :meth:`render`."""
        return _ENCODER.encode(self._own)

    def render(self, log: Log) -> str:
        """All metrics of `log`."""
        total = _no_counts()
        total.add(self._own)
        for peer in self._peers:
            if record := peer.read():
                total.add(_DECODER.decode(record))
        return "".join(line + "\n" for line in [*_gauges(log, total), *_counters(total), *_histograms(total)])

    def _count(self, name: str, labels: _Labels = (), by: int = 1) -> None:
        counts = self._own.counters[name]
        counts[labels] = counts.get(labels, 0) + by

    def _observe(self, name: str, value: float, labels: _Labels = ()) -> None:
        bounds, histograms = HISTOGRAMS[name][1], self._own.histograms[name]
        histogram = histograms.get(labels)
        if histogram is None:
            histogram = histograms[labels] = Histogram.empty(bounds)
        histogram.observe(value, bounds)


def _gauges(log: Log, total: Counts) -> Iterator[str]:
    is_ready = log.read_only is None and log.trouble is None and not log.link.stopping.done()
    values = {
        'trustlog_tree_size{stage="published"}': log.published.size,
        "trustlog_index_complete_to": log.indexing.value,
        "trustlog_read_only": int(log.read_only is not None),
        "trustlog_ready": int(is_ready),
        **total.gauges,
    }
    for series, value in values.items():
        yield from _head(series.partition("{")[0], "gauge")
        yield f"{series} {value}"


def _counters(total: Counts) -> Iterator[str]:
    for name, counts in total.counters.items():
        yield from _head(name, "counter")
        for labels, count in sorted(counts.items()):
            yield f"{name}{{{_join(labels)}}} {count}" if labels else f"{name} {count}"


def _histograms(total: Counts) -> Iterator[str]:
    for name, histograms in total.histograms.items():
        yield from _head(name, "histogram")
        for labels, histogram in sorted(histograms.items(), key=lambda item: item[0]):
            yield from histogram.render(name, _join(labels), HISTOGRAMS[name][1])


def _head(name: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {HELP[name]}", f"# TYPE {name} {kind}"


def _join(labels: _Labels) -> str:
    return ",".join(f'{label}="{value}"' for label, value in labels)
