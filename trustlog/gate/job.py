"""A job, as the log tells it: its terms, its run, whether it ended.

Job, ticket, policy, requester and agent come from the token's logged issuance, never from the caller. A job is one cycle: a
renewed token continues it; a denial, or a revocation of the job, of any of its tokens or of a used approval, ends it for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from trustlog.formats.entry import ref_value
from trustlog.gate.standing import UNREADABLE, revocations
from trustlog.gate.view import Logged, LogView
from trustlog.policy.finding import Finding
from trustlog.records.approval import DENIALS
from trustlog.records.token_issued import TokenIssued

NAMES_A_RUN: Final = frozenset(
    {"gateway_receipt", "tool_receipt", "side_effect_receipt", "simulation", "execution", "closure"}
)


@dataclass(frozen=True, slots=True)
class Job:
    """The job of one token, looked at below `size`."""

    view: LogView
    size: int
    issuance: Logged

    @property
    def terms(self) -> TokenIssued:
        """The issuance of the token at hand."""
        record: TokenIssued = self.issuance.record
        return record

    def issuances(self) -> list[Logged]:
        """Every token of the job."""
        return self.view.valid("token_issued", "job", self.terms.job_id, self.size)

    def entries(self) -> list[Logged]:
        """Every entry that its refs tie to the job, void ones included, in index order."""
        found = {one.index: one for one in self.view.sharing("job", self.terms.job_id, self.size)}
        found |= {one.index: one for one in self.view.sharing("token_scope", self.terms.token_scope_hash_b64u, self.size)}
        return [found[index] for index in sorted(found)]

    def decisions(self, *, allow: bool) -> list[Logged]:
        """The job's valid decisions of one sort."""
        wanted = "allow" if allow else "deny"
        decisions = self.view.valid("gate_decision", "job", self.terms.job_id, self.size)
        return [one for one in decisions if one.record.decision == wanted]

    def withdrawal(self, decision: Logged, below: int) -> Logged | None:
        """The deny above an allow and below `below` that withdraws it."""
        withdrawals = self.view.withdrawals(decision.payload_hash, below)
        return next((one for one in withdrawals if one.index > decision.index), None)

    def next_round(self, action: str) -> str:
        """1 + the number of allows of this action, whether used, expired, withdrawn or ill-founded."""
        return str(1 + sum(1 for one in self.decisions(allow=True) if one.record.scope["action"] == action))

    # Findings against any further act of the job.

    def ended(self, scope_hash: str | None, plan_hash: str | None) -> Iterator[Finding]:
        """Everything that ended the job, or denied the plan's bytes in whatever job."""
        yield from self._revoked()
        yield from self._denied(scope_hash)
        if plan_hash is not None:
            yield from self._plan_denied(plan_hash)
        for one in self.view.valid("closure", "job", self.terms.job_id, self.size):
            yield Finding("JOB_ENDED", f"job {self.terms.job_id} to be open", f"its closure at index {one.index}")

    def unreadable(self) -> Iterator[Finding]:
        """Records of the job, or of the rosters, whose payload cannot be had: nothing can be decided without them."""
        rosters = self.view.of_kind("roster", self.size)
        for one in (*self.entries(), *rosters):
            unread = one.void == UNREADABLE or (one.void is None and one.candidate is None)
            if unread and one.kind != "human_approval_receipt":  # an approval counts as a denial
                yield Finding(UNREADABLE, f"the payload of the {one.kind} at index {one.index}", "none")

    def run_mismatches(self, run_id: str) -> Iterator[Finding]:
        """All receipts and records of a job name one run."""
        for one in self.entries():
            run = one.refs.get("run")
            named = run is not None or one.kind in NAMES_A_RUN
            if named and run != ref_value(run_id) and one.void is None:
                found = f"the {one.kind} at index {one.index} naming {run or 'none'}"
                yield Finding("RUN_MISMATCH", f"run {run_id} throughout the job", found)

    def receipts(self, below: int) -> list[Logged]:
        """Every valid gateway receipt below `below` with the job's token scope hash."""
        scope = self.terms.token_scope_hash_b64u
        return self.view.valid("gateway_receipt", "token_scope", scope, below)

    def _revoked(self) -> Iterator[Finding]:
        job_id = self.terms.job_id
        for one in revocations(self.view, f"job:{job_id}", self.size):
            yield Finding("JOB_REVOKED", f"job {job_id} to stand", f"its revocation at index {one.index}")
        for token in self.issuances():
            for one in revocations(self.view, f"token:{token.record.token_hash}", self.size):
                yield Finding("TOKEN_REVOKED", "every token of the job to stand", f"a revocation at index {one.index}")
        for approval in {name for allow in self.decisions(allow=True) for name in allow.record.approvals}:
            for one in revocations(self.view, f"approval:{approval}", self.size):
                found = f"the revocation at index {one.index} of approval {approval}, which an allow had used"
                yield Finding("APPROVAL_REVOKED", "every used approval to stand", found)

    def _denied(self, scope_hash: str | None) -> Iterator[Finding]:
        scopes = {
            one.refs["scope"] for one in self.decisions(allow=True) + self.decisions(allow=False) if "scope" in one.refs
        }
        if scope_hash is not None:
            scopes.add(scope_hash)
        tied = {one.index: one for scope in scopes for one in self.view.sharing("scope", scope, self.size)}
        tied |= {one.index: one for one in self.entries()}
        for index in sorted(tied):
            if found := _denial(tied[index]):
                yield Finding("JOB_DENIED", f"no denial of job {self.terms.job_id}", found)

    def _plan_denied(self, plan_hash: str) -> Iterator[Finding]:
        for one in self.view.sharing("plan", plan_hash, self.size):
            if found := _denial(one):
                yield Finding("PLAN_DENIED", f"no denial of plan {plan_hash}", found)


def _denial(one: Logged) -> str | None:
    """What a denial says of itself; an unreadable approval record counts as one."""
    if one.kind != "human_approval_receipt":
        return None
    if one.void == UNREADABLE:
        return f"the approval record at index {one.index}, whose payload cannot be read"
    if one.candidate is None or one.record.approval_type not in DENIALS:
        return None
    return f"{one.record.approval_type} by {one.record.approver_subject} at index {one.index}"
