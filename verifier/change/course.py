"""The course of every job of a whole log that streams by: what ran, what its bundles tell of, and whether it was closed.

The rules are those by which one change is judged. They look below the closure only, so all of it is known by then; but where a
payload is not there, nothing is held against whatever rests on it: that it is not there is found by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from verifier.change.case import find_unknown_outcomes
from verifier.change.closure_rules import running_fault
from verifier.change.execution_rules import failure, later_begin
from verifier.encodings import decode_exact_b64u, encode_b64u
from verifier.entry import ref_value
from verifier.errors import Refused
from verifier.ledger.history import History
from verifier.ledger.logged import Logged, State
from verifier.records.bundle import OpenedBundle
from verifier.records.closure import Closure
from verifier.records.execution import Execution, Resolution
from verifier.records.kinds import Record

_TELLS_OF: Final = "metadata.change.execution_b64u"


@dataclass(frozen=True, slots=True)
class Course:
    """What was executed in one job so far (a :class:`~verifier.change.case.Ran`), and the closures of it that hold.

    `looked_into` says at which index somebody first looked into a begin, of any job. `unread` are executions, and resolutions
    of them, whose payload is not there.
    """

    history: History
    looked_into: Mapping[str, int]
    executions: list[tuple[Logged, Execution]] = field(default_factory=list)
    closures: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)

    @property
    def begins(self) -> Sequence[tuple[Logged, Execution]]:
        """The begins, in index order."""
        return [pair for pair in self.executions if pair[1].phase == "begin"]

    @property
    def unknown_outcomes(self) -> Sequence[tuple[int, int]]:
        """Of each begin its index, and that from where on its outcome is known."""
        return find_unknown_outcomes(self.executions, self.looked_into)

    def is_resolved(self, begin_b64u: str | None, index: int) -> bool:
        """Whether somebody looked into a begin below `index`: it then counts as ended with failure."""
        return self.looked_into.get(begin_b64u or "", index) < index


class Courses:
    """The courses of all jobs. Of a bundle it keeps two hashes: there may be many more of them than closures."""

    def __init__(self, history: History) -> None:
        """`history` is given every entry before it is added here."""
        self._history = history
        self._looked_into: dict[str, int] = {}
        self._jobs: dict[str, Course] = {}  # by the job's id as a ref
        self._told: dict[bytes, bytes | None] = {}  # by bundle: the end that it tells of, if that is logged below it
        self._unread: set[bytes] = set()  # bundles without a payload

    def add_execution(self, item: Logged, record: Execution) -> None:
        """Take a valid begin or end."""
        self._course(ref_value(record.job_id)).executions.append((item, record))

    def add_resolution(self, item: Logged, record: Resolution) -> None:
        """Take a valid resolution. Whoever logs one before the begin has looked into nothing."""
        begin = self._history.find("execution", record.begin_b64u)
        if begin is not None and begin.is_valid:
            self._looked_into.setdefault(record.begin_b64u, item.index)

    def add_unread(self, item: Logged) -> None:
        """Take an execution or a resolution whose payload is not there."""
        of = item if item.entry.kind == "execution" else self._history.find("execution", item.ref("target") or "")
        job = of.ref("job") if of is not None else None
        if job is not None:
            self._course(job).unread.append(item.index)

    def rests_on_unread(self, record: Execution | Closure) -> bool:
        """Whether the payload of the decision or begin that a record names is not there."""
        named = [self._history.find("gate_decision", record.decision_b64u)]
        if isinstance(record, Execution):
            named.append(self._history.find("execution", record.begin_b64u or ""))
        return any(item is not None and item.state is State.UNREAD for item in named)

    def add_bundle(self, payload_hash_b64u: str, record: Record | None) -> None:
        """Take a bundle that is valid, or whose payload is not there: then `record` is None."""
        name = _bytes_of(payload_hash_b64u)
        if not isinstance(record, OpenedBundle):
            self._unread.add(name)
            return
        try:
            end = self._history.find("execution", record.change().execution_b64u)
        except Refused:
            end = None
        is_end = end is not None and isinstance(end.record, Execution) and end.record.phase == "end"
        self._told.setdefault(name, _bytes_of(end.entry.payload_hash_b64u) if end is not None and is_end else None)

    def close(self, item: Logged, record: Closure) -> Refused | None:
        """Take a valid closure that keeps its own rules; why it does not hold, or the bundle does not carry it, or None."""
        course = self._course(ref_value(record.job_id))
        ended = self.ended_fault(item, record.job_id)
        if course.unread:
            return ended
        fault = running_fault(course, item, record) or ended
        if fault is None:
            course.closures.append(item.index)
        return fault or self._bundle_fault(course, record)

    def ended_fault(self, item: Logged, job_id: str) -> Refused | None:
        """Whether the job was closed below an entry of it: nothing of it is executed or closed any more."""
        closures = self._course(ref_value(job_id)).closures
        if not closures or closures[0] >= item.index:
            return None
        expected = f"nothing of job {job_id} after its closure at index {closures[0]}"
        return Refused("JOB_ENDED", item.entry.kind, expected=expected, found=f"at index {item.index}")

    def _bundle_fault(self, course: Course, record: Closure) -> Refused | None:
        """The bundle tells of the execution that was the job's last when closing was decided, and that succeeded."""
        name = _bytes_of(record.bundle_b64u)
        if name not in self._told:
            return None if name in self._unread else Refused("BUNDLE_NOT_LOGGED", "bundle_b64u", expected=record.bundle_b64u)
        told = self._told[name]
        end = self._history.find("execution", encode_b64u(told)) if told is not None else None
        if end is None or not isinstance(end.record, Execution) or end.record.job_id != record.job_id:
            return Refused("BUNDLE_MISMATCH", _TELLS_OF, expected="an end of this job below the bundle", found="none")
        decided = self._history.find("gate_decision", record.decision_b64u)
        assert decided is not None, "the closure stands under it"
        return failure(course, end.record, decided.index) or later_begin(course, end.record, decided.index)

    def _course(self, job_ref: str) -> Course:
        known = self._jobs.get(job_ref)
        if known is None:
            known = self._jobs[job_ref] = Course(self._history, self._looked_into)
        return known


def _bytes_of(payload_hash_b64u: str) -> bytes:
    return decode_exact_b64u(payload_hash_b64u.encode("ascii"))
