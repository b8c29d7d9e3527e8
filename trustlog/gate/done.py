"""What of a job was done: which steps, and what was executed last. All of it under allows that hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from trustlog.gate.execution import Execution, executions_fact
from trustlog.gate.job import Job, JobEntries
from trustlog.gate.logged import Logged
from trustlog.policy.facts import ExecutedFact, ExecutionsFact, Missing
from trustlog.policy.finding import Finding
from trustlog.policy.rules.closing import last_execution_has_no_end, nothing_executed
from trustlog.policy.rules.rule import CLOSE, EXECUTE, SIMULATE

AgainstAllow = Callable[[Logged], tuple[Finding, ...]]
"""Judges an earlier allow that a question relies on: nothing, if it holds."""


@dataclass(frozen=True, slots=True)
class Done:
    """What the `entries` of a job show; `known` are its executions with a valid ``begin``, in order."""

    job: Job
    entries: JobEntries
    known: list[Execution]
    against_allow: AgainstAllow

    def executions(self) -> ExecutionsFact:
        """What stands open or broken among them."""
        return executions_fact(self.job, self.entries, self.known, against_allow=self.against_allow)

    def executed(self) -> ExecutedFact | Missing:
        """The job's last execution, of whatever plan, if it ended, under an allow that holds."""
        last = self.known[-1] if self.known else None
        if last is None or self.against_allow(last.decision):
            return nothing_executed(self.job.terms)
        if last.end is None:
            return last_execution_has_no_end(last.begin.index, self.job.terms)
        return ExecutedFact(last.decision.payload_hash, last.end.payload_hash, last.begin.index, last.succeeded)

    def steps(self, steps: Iterable[str], plan_hash: str) -> frozenset[str]:
        """Those of `steps` that were done, with success, for this plan, which was simulated."""
        return frozenset(step for step in steps if self._is_done(step, plan_hash))

    def _is_done(self, step: str, plan_hash: str) -> bool:
        if step == SIMULATE:
            return True  # there is one, or nothing would be done
        if step == EXECUTE:
            return self._was_executed(plan_hash)
        if step == CLOSE:
            return bool(self.entries.valid("closure"))
        for allow in self.entries.decisions("allow"):
            scope = allow.record.scope
            same = scope["action"] == step and scope["plan_hash_b64u"] == plan_hash
            if same and self.job.withdrawal(allow, self.job.size) is None and not self.against_allow(allow):
                return True
        return False

    def _was_executed(self, plan_hash: str) -> bool:
        """Whether the plan was executed, at any time, with success under an allow that holds."""
        of_plan = (one for one in self.known if one.decision.record.scope["plan_hash_b64u"] == plan_hash)
        return any(one.succeeded and not self.against_allow(one.decision) for one in of_plan)
