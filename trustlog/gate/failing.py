"""What a gate answers when it cannot decide: whatever the log, the network or a defect in here does, it is a deny."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Final

from trustlog.errors import TrustlogError
from trustlog.gate.decision import Decision, ViewOfLog
from trustlog.gate.follow import Reading
from trustlog.gate.identify import GateRequest
from trustlog.gate.question import Judgement
from trustlog.gate.sealing import Seals, decision_of, unlogged_decision
from trustlog.policy.finding import Finding

LOGGER: Final = logging.getLogger(__name__)


class Failing:
    """The denies of one gate that were not decided: signed on what was read so far, and not logged."""

    def __init__(self, seals: Seals, reading: Reading, clock: Callable[[], int], within_s: float) -> None:
        self._seals = seals
        self._reading = reading
        self._clock = clock
        self._within_s = within_s

    def deny(self, request: GateRequest, finding: Finding) -> Decision:
        """The deny of a request of which nothing could be decided. Never raises."""
        view = ViewOfLog(self._reading.view.size, self._reading.root)
        try:
            sealed = self._seals.seal(request, _undecided(finding), None, view=view, at_ns=self._clock())
        except Exception as error:  # noqa: BLE001 - a deny needs no signature to be a deny
            return self.deny_unsigned(request, finding, finding_of(error))
        return decision_of(request, sealed, decided=False)

    def deny_unsigned(self, request: GateRequest, *findings: Finding) -> Decision:
        """The same for words that cannot be signed."""
        return unlogged_decision(request, _undecided(*findings), self._clock(), decided=False)

    def finding(self, error: Exception) -> Finding:
        """Why nothing could be decided: ``LOG_UNREACHABLE`` for a TimeoutError, else as :func:`finding_of`."""
        return self.too_late() if isinstance(error, TimeoutError) else finding_of(error)

    def too_late(self) -> Finding:
        """There was no answer within the time that a decision may take."""
        return Finding("LOG_UNREACHABLE", f"everything needed within {self._within_s:g} s", "no answer by then")


def finding_of(error: Exception) -> Finding:
    """An error as a reason to deny; one that is not ours is ``INTERNAL_ERROR``, and logged."""
    if isinstance(error, TrustlogError):
        return Finding(error.code, error.expected or "an answer that can be believed", error.detail)
    trace = "".join(traceback.format_tb(error.__traceback__))  # never the message: it could hold a token
    LOGGER.error("deciding failed: %s\n%s", type(error).__name__, trace)
    return Finding("INTERNAL_ERROR", "a decision", type(error).__name__)


def not_there() -> Finding:
    """The log took a record, and does not show it."""
    return Finding("DECISION_NOT_LOGGED", "the decision in the log, which said that it has it", "it is not there")


def _undecided(*findings: Finding) -> Judgement:
    return Judgement(findings, is_logged=False)
