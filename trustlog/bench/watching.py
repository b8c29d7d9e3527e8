"""Watching a log while it is loaded, once a second: memory and CPU of its processes, and how far its lookup index is behind."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from yarl import URL

from trustlog.bench.percentiles import percentile
from trustlog.bench.processes import Usage, measure_usage, sum_cpu_s
from trustlog.client.http import parse_log_url

WATCH_S: Final = 1.0
_TIMEOUT_S: Final = 5.0
_MAX_METRICS_BYTES: Final = 1024 * 1024
_TREE_SIZE: Final = re.compile(r'^trustlog_tree_size(?:\{stage="published"\})? (\d{1,15})$', re.MULTILINE)
_COMPLETE_TO: Final = re.compile(r"^trustlog_index_complete_to (\d{1,15})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Moment:
    """What was seen at one time (seconds of ``time.perf_counter``), when `done` receipts were answered."""

    now_s: float
    done: int
    usage: Usage | None
    tree_size: int | None
    complete_to: int | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of all processes of the server: the most seen, at a tenth of the run, and at its end.

    `measure` is ``PSS`` (shared pages counted once) or, where that cannot be read, ``RSS``.
    """

    measure: str
    most_bytes: int
    at_tenth_bytes: int
    at_end_bytes: int
    processes: int


@dataclass(frozen=True, slots=True)
class IndexLag:
    """How far the lookup index was behind the published tree: in entries, and in the time that publishing these took."""

    samples: int
    most_entries: int
    p99_entries: int
    most_ms: float
    p99_ms: float


class Watch:
    """Moments of one run. `pid` is the server's process, where it is on this machine."""

    def __init__(self, url: str, pid: int | None) -> None:
        self._url = parse_log_url(url)
        self._pid = pid
        self.moments: list[Moment] = []

    def look(self, done: int) -> None:
        """Take one more sample."""
        usage = None if self._pid is None else measure_usage(self._pid)
        tree_size, complete_to = self._read_metrics()
        self.moments.append(Moment(time.perf_counter(), done, usage, tree_size, complete_to))

    def memory(self) -> Memory | None:
        """The server's memory, if its processes could be seen."""
        seen = [(moment.done, moment.usage) for moment in self.moments if moment.usage is not None]
        if not seen:
            return None
        proportional = all(usage.pss_bytes is not None for _, usage in seen)
        sizes = [(done, (usage.pss_bytes if proportional else usage.rss_bytes) or 0) for done, usage in seen]
        total = sizes[-1][0]
        return Memory(
            measure="PSS" if proportional else "RSS",
            most_bytes=max(size for _, size in sizes),
            at_tenth_bytes=next(size for done, size in sizes if done * 10 >= total),
            at_end_bytes=sizes[-1][1],
            processes=max(usage.processes for _, usage in seen),
        )

    def server_cpu_s(self) -> float | None:
        """CPU seconds of the server's processes from the first moment to the last."""
        seen = [moment.usage for moment in self.moments if moment.usage is not None]
        return sum_cpu_s(seen) if seen else None

    def index_lag(self) -> IndexLag | None:
        """The index's lag, if the log's metrics tell."""
        return compute_index_lag(self.moments)

    def _read_metrics(self) -> tuple[int | None, int | None]:
        text = _fetch(self._url, "/metrics")
        if text is None:
            return None, None
        size, complete = _TREE_SIZE.search(text), _COMPLETE_TO.search(text)
        return (int(size[1]) if size else None), (int(complete[1]) if complete else None)


def compute_index_lag(moments: Sequence[Moment]) -> IndexLag | None:
    """Of each moment in which the tree grew since the one before: entries not yet indexed, and how long publishing them took."""
    lags: list[tuple[int, float]] = []
    for before, now in pairwise(moments):
        if before.tree_size is None or now.tree_size is None or now.complete_to is None or now.tree_size <= before.tree_size:
            continue
        behind = max(0, now.tree_size - now.complete_to)
        rate = (now.tree_size - before.tree_size) / (now.now_s - before.now_s)
        lags.append((behind, behind / rate * 1000))
    if not lags:
        return None
    entries, times = [behind for behind, _ in lags], [ms for _, ms in lags]
    return IndexLag(
        samples=len(lags),
        most_entries=max(entries),
        p99_entries=int(percentile(entries, 0.99)),
        most_ms=round(max(times), 1),
        p99_ms=round(percentile(times, 0.99), 1),
    )


def await_ready(url: str, timeout_s: float) -> float | None:
    """How long (seconds) until the log at `url` says that it takes writes; None if it does not in time."""
    started_s = time.perf_counter()
    while (waited_s := time.perf_counter() - started_s) < timeout_s:
        if _fetch(parse_log_url(url), "/readyz") is not None:
            return waited_s
        time.sleep(0.01)
    return None


def _fetch(url: URL, path: str) -> str | None:
    """The text of a resource, if the log gives it; whatever else happens is no reason to end a run."""
    assert url.host is not None
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.host, url.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", url.raw_path.rstrip("/") + path, headers={"Accept-Encoding": "identity"})
        response = connection.getresponse()
        body = response.read(_MAX_METRICS_BYTES)
        return body.decode("utf-8", "replace") if response.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
