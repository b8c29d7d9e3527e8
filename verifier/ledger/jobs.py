"""Which jobs are closed or ended, as far as a tombstone must know: nothing of an open job may be erased.

A job is over when it is closed, when it or one of its tokens or used approvals is revoked, or when it is denied: by a
denial that names its token scope, or the scope of one of its decisions. Whether the record that ends a job or the one
that ties it to the job was logged first makes no difference. Only valid records count, and a job is known here by the
ref value of its id.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.entry import Entry, ref_value
from verifier.records.approval import Approval
from verifier.records.closure import Closure
from verifier.records.decision import Decision
from verifier.records.execution import Execution
from verifier.records.kinds import Record
from verifier.records.restrictions import Revocation
from verifier.records.simulation import Simulation
from verifier.records.token import TokenIssued


@dataclass
class Jobs:
    """What ties other things to jobs, what ended, and which entry names a payload first.

    `job_of` and `ended` hold ("token" | "token_scope" | "scope" | "approval" | "run" | "job", value).
    """

    job_of: dict[tuple[str, str], str] = field(default_factory=dict)
    ended: set[tuple[str, str]] = field(default_factory=set)
    over: set[str] = field(default_factory=set)
    first_to_name: dict[str, int] = field(default_factory=dict)

    def add(self, index: int, record: Record) -> None:
        """Read one valid record."""
        match record:
            case TokenIssued():
                self._tie(record.job_id, ("token_scope", record.token_scope_hash_b64u), ("token", record.token_hash))
            case Simulation():
                self._tie(record.job_id, ("run", ref_value(record.run_id)))
                self._name(index, record.plan_hash_b64u, *(item.sha256_b64u for item in record.artefacts))
            case Execution():
                self._name(index, record.plan_hash_b64u, *([record.diff_b64u] if record.diff_b64u else []))
            case Decision():
                self._read_decision(record)
            case Closure():
                self.over.add(ref_value(record.job_id))
            case Revocation():
                kind, _, value = record.target.partition(":")
                self._end((kind, value))
            case Approval() if record.is_denial:
                bound = record.binding.token_scope_hash_b64u if record.binding else None
                self._end(("scope", record.scope_hash_b64u), *([("token_scope", bound)] if bound is not None else []))
            case _:
                pass

    def concerned(self, entry: Entry) -> str | None:
        """The job that an entry's refs point to, or None."""
        refs = entry.refs
        found = self.job_of.get(("token_scope", refs.get("token_scope", ""))) or self.job_of.get(
            ("run", refs.get("run", ""))
        )
        return refs.get("job") or found

    def _read_decision(self, record: Decision) -> None:
        scope_hash = record.scope_hash()
        if scope_hash is None:
            return
        used = [("approval", approval) for approval in record.approvals] if record.is_allow else []
        self._tie(record.scope["job_id"], ("scope", scope_hash), *used)

    def _name(self, index: int, *payloads: str) -> None:
        for payload in payloads:
            self.first_to_name.setdefault(payload, index)

    def _tie(self, job_id: str, *things: tuple[str, str]) -> None:
        job = ref_value(job_id)
        for thing in things:
            self.job_of.setdefault(thing, job)
            if thing in self.ended:
                self.over.add(job)

    def _end(self, *things: tuple[str, str]) -> None:
        for thing in things:
            self.ended.add(thing)
            job = ref_value(thing[1]) if thing[0] == "job" else self.job_of.get(thing)
            if job is not None:
                self.over.add(job)
