"""What a gate counts, in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from trustlog.gate.decision import Decision
from trustlog.service.histogram import Histogram
from trustlog.service.metrics import Metrics

DECISION_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
GAUGES: Final = {
    "trustlog_gate_view_size": "Entries of the log that were read.",
    "trustlog_gate_view_age_seconds": "How long ago the log was read up to its checkpoint; -1 before that happened.",
    "trustlog_gate_waiting": "Requests that wait for a decision.",
    "trustlog_gate_restrictions_pending": "Restrictions that count and are not logged yet.",
    "trustlog_gate_restrictions_refused": "Of these, those that the log will never take: they must be signed again, see /readyz.",
    "trustlog_gate_log_lies": "Entries of the log that are not what their payloads say: one denies everything, see /readyz.",
    "trustlog_gate_unreleased": "Allows that were sent to the log and not released.",
}
COUNTERS: Final = {
    "trustlog_gate_decisions_total": "Answers, by the policy's name of the action, by decision, and by the first reason code.",
    "trustlog_gate_restrictions_total": "Restrictions that were taken, by kind.",
    "trustlog_requests_total": "Requests answered, by route, method and status.",
    "trustlog_refusals_total": "Requests refused, by reason code.",
}
HISTOGRAM: Final = "trustlog_gate_decision_seconds"
HISTOGRAM_HELP: Final = "How long decisions took, from request to answer."


class GateMetrics(Metrics):
    """What was counted since the start."""

    def __init__(self) -> None:
        super().__init__()
        self._decisions: dict[tuple[str, str, str], int] = {}
        self._restrictions: dict[str, int] = {}
        self._seconds = Histogram.empty(DECISION_BOUNDS_S)

    def count_decision(self, decision: Decision, seconds: float) -> None:
        """Count an answer. An action that no policy names has no series of its own: callers choose it."""
        action = decision.scope.get("action", "other")
        code = "" if decision.allow else decision.findings[0].code
        key = (action, "allow" if decision.allow else "deny", code)
        self._decisions[key] = self._decisions.get(key, 0) + 1
        self._seconds.observe(seconds, DECISION_BOUNDS_S)

    def count_restriction(self, kind: str) -> None:
        """Count a restriction that was taken."""
        self._restrictions[kind] = self._restrictions.get(kind, 0) + 1

    def render_gate(self, gauges: Mapping[str, float]) -> str:
        """All metrics of a gate; `gauges` are the values of :data:`GAUGES`."""
        return "".join(f"{line}\n" for line in self._lines(gauges))

    def _lines(self, gauges: Mapping[str, float]) -> Iterator[str]:
        for name, text in GAUGES.items():
            yield from (f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {gauges[name]:g}")
        for name, text in COUNTERS.items():
            yield from (f"# HELP {name} {text}", f"# TYPE {name} counter")
            yield from (f"{name}{{{labels}}} {count}" for labels, count in sorted(self._series(name)))
        yield from (f"# HELP {HISTOGRAM} {HISTOGRAM_HELP}", f"# TYPE {HISTOGRAM} histogram")
        yield from self._seconds.render(HISTOGRAM, "", DECISION_BOUNDS_S)

    def _series(self, name: str) -> Iterator[tuple[str, int]]:
        if name == "trustlog_gate_decisions_total":
            for (action, decision, code), count in self._decisions.items():
                yield f'action="{_escape(action)}",decision="{decision}",code="{code}"', count
        elif name == "trustlog_gate_restrictions_total":
            yield from ((f'kind="{kind}"', count) for kind, count in self._restrictions.items())
        else:
            for labels, count in self._own.counters[name].items():
                yield ",".join(f'{label}="{value}"' for label, value in labels), count


def _escape(value: str) -> str:
    """A label's value: a policy may name a tool as it likes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
