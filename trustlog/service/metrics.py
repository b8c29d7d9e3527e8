"""Counters and gauges, in the Prometheus text format (version 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec
from aiohttp import web

from trustlog.log.commit import Outcome, Place
from trustlog.log.log import Log
from trustlog.log.shared import Slot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

HELP: Final = {
    "trustlog_tree_size": "Entries, by stage.",
    "trustlog_index_complete_to": "Every entry below this index can be looked up.",
    "trustlog_queue_length": "Admitted entries that are not answered yet.",
    "trustlog_read_only": "1 if nothing may be written.",
    "trustlog_requests_total": "Requests answered, by route, method and status.",
    "trustlog_refusals_total": "Requests and batch lines refused, by reason code.",
    "trustlog_entries_answered_total": "Submissions answered with success, by result.",
}
_Labels: TypeAlias = tuple[tuple[str, str], ...]
_DECODER: Final = msgspec.msgpack.Decoder(dict[str, list[tuple[_Labels, int]]])
_COUNTERS: Final = tuple(name for name in HELP if name.endswith("_total"))


class Metrics:
    """What was counted since the start."""

    def __init__(self, peers: Sequence[Slot] = ()) -> None:
        """`peers` show what other front ends of the same log have counted."""
        self._peers = peers
        self._counts: dict[str, Counter[_Labels]] = {name: Counter() for name in _COUNTERS}

    def count_request(self, request: web.Request, status: int) -> None:
        """Count an answered request under its route, never under its path."""
        resource = request.match_info.route.resource
        route = "unknown" if resource is None else resource.canonical
        method = request.method if request.method in {"GET", "HEAD", "POST"} else "other"
        self._count("trustlog_requests_total", route=route, method=method, status=str(status))

    def count_refusal(self, code: str) -> None:
        """Count a refusal, of a request or of one line of a batch."""
        self._count("trustlog_refusals_total", code=code)

    def count_logged(self, outcomes: Sequence[Outcome]) -> None:
        """Count the submissions that are answered with success."""
        places = [outcome.already_logged for outcome in outcomes if isinstance(outcome, Place)]
        again = sum(places)
        for result, count in (("already_logged", again), ("new", len(places) - again)):
            if count:
                self._counts["trustlog_entries_answered_total"][(("result", result),)] += count

    def encode(self) -> bytes:
        """What was counted here, for a peer's :meth:`render`."""
        return msgspec.msgpack.encode({name: list(counter.items()) for name, counter in self._counts.items()})

    def _total(self, name: str) -> Counter[_Labels]:
        total = Counter(self._counts.get(name, {}))
        for peer in self._peers:
            if record := peer.read():
                total.update(dict(_DECODER.decode(record).get(name, [])))
        return total

    def render(self, log: Log) -> str:
        """All metrics of `log`."""
        gauges = {
            "trustlog_tree_size": [("published", log.published.size)],
            "trustlog_index_complete_to": [("", log.indexing.value)],
            "trustlog_queue_length": [("", log.link.open_entries)],
            "trustlog_read_only": [("", int(log.read_only is not None))],
        }
        lines: list[str] = []
        for name, help_text in HELP.items():
            lines += (f"# HELP {name} {help_text}", f"# TYPE {name} {'counter' if name in _COUNTERS else 'gauge'}")
            for stage, number in gauges.get(name, []):
                lines.append(f'{name}{{stage="{stage}"}} {number}' if stage else f"{name} {number}")
            for labels, number in sorted(self._total(name).items()):
                joined = ",".join(f'{label}="{value}"' for label, value in labels)
                lines.append(f"{name}{{{joined}}} {number}")
        return "\n".join(lines) + "\n"

    def _count(self, name: str, **labels: str) -> None:
        self._counts[name][tuple(labels.items())] += 1
