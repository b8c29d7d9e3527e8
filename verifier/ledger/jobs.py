"""Which jobs are closed or ended, as far as a tombstone must know: nothing of an open job may be erased."""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.records.approval import Approval
from verifier.records.closure import Closure
from verifier.records.decision import Decision
from verifier.records.kinds import Record
from verifier.records.simulation import Simulation
from verifier.records.token import TokenIssued


@dataclass
class Jobs:
    """Jobs by token scope, run and token, and those that are over."""

    by_token_scope: dict[str, str] = field(default_factory=dict)
    by_run: dict[str, str] = field(default_factory=dict)
    by_decided_scope: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, list[str]] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)

    def add(self, record: Record) -> None:
        """Read one valid record."""
        match record:
            case TokenIssued():
                self.by_token_scope[record.token_scope_hash_b64u] = record.job_id
                self.tokens.setdefault(record.job_id, []).append(record.token_hash)
            case Simulation():
                self.by_run.setdefault(record.run_id, record.job_id)
            case Decision() if record.scope_hash() is not None:
                self.by_decided_scope[record.scope_hash() or ""] = record.scope["job_id"]
            case Closure():
                self.over.add(record.job_id)
            case Approval() if record.is_denial:
                bound = record.binding.token_scope_hash_b64u if record.binding else None
                job = self.by_token_scope.get(bound or "")
                self.over.add(job or self.by_decided_scope.get(record.scope_hash_b64u, ""))
            case _:
                pass

    def concerned(self, *, token_scope: str | None, run: str | None, job: str | None) -> str | None:
        """The job that refs point to, or None."""
        return job or self.by_token_scope.get(token_scope or "") or self.by_run.get(run or "")
