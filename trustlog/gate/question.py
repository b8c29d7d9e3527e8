"""A question to the gate's judgement, and its answer."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field

from trustlog.gate.logged import Logged
from trustlog.gate.view import LogView
from trustlog.policy.finding import Finding

Judged = MutableMapping[int, tuple[Finding, ...]]  # what stands against the allow at an index


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the evidence below `size` at the time `at_ns` (nanoseconds since 1970).

    ``issuance`` is the logged issuance of the token; ``plan_hash`` and ``simulation`` may be None: the newest successful
    simulation then says them. ``plans`` maps fingerprints to the exact plan bytes that could be had. ``answered`` is the logged
    allow that is the answer, where that is judged: its round is that of its own index, and only what it relied on is counted.
    ``judged`` remembers earlier allows that were judged on the way, so that allows which rely on each other are judged once.
    """

    view: LogView
    size: int
    at_ns: int
    issuance: Logged
    action: str
    plans: Mapping[str, bytes]
    plan_hash: str | None = None
    simulation: str | None = None
    closing_reason: str | None = None
    answered: Logged | None = None
    judged: Judged = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Allow if there are no findings. The rest is what a decision record says."""

    findings: tuple[Finding, ...]
    scope: Mapping[str, str] = field(default_factory=dict)
    run_id: str | None = None
    roster_b64u: str | None = None
    approvals: tuple[str, ...] = ()
    evidence: tuple[Logged, ...] = ()
    is_logged: bool = True

    @property
    def allow(self) -> bool:
        """Whether nothing stands against the action."""
        return not self.findings
