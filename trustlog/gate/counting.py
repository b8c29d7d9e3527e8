"""Which approvals a scope has, and the people by whom they are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trustlog.gate.logged import Logged
from trustlog.gate.question import Question
from trustlog.gate.standing import revocations
from trustlog.policy.facts import (
    ApprovalCase,
    ApprovalFact,
    BundleFact,
    CountedFact,
    Missing,
    RosterFact,
    ScopeFact,
    SimulationFact,
)
from trustlog.policy.finding import Finding
from trustlog.policy.rules import count_approvals
from trustlog.policy.rules.approvals import no_complete_scope
from trustlog.records.token_issued import TokenIssued
from trustlog.records.work_policy_contract import Tool

NO_ROSTER: Final = Missing(
    (
        Finding(
            "ROSTER_MISSING", "a roster in force", "none", "Ask a roster authority to run: trustlog roster publish FILE …"
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Counting:
    """The approvals of one question, about the job of `token`."""

    question: Question
    token: TokenIssued

    def roster(self) -> RosterFact | Missing:
        """The people in force, and the keys of theirs or others that were revoked."""
        view, size = self.question.view, self.question.size
        roster = view.rosters.at(size)
        if roster is None:
            return NO_ROSTER
        named = (one.refs["target"].removeprefix("key:") for one in view.key_revocations(size))
        revoked = frozenset(did for did in named if view.is_key_revoked(did, size))
        return RosterFact(roster.payload_hash_b64u, roster.record, revoked)

    def count(
        self,
        tool: Tool | Missing,
        simulation: SimulationFact | Missing,
        scope: ScopeFact | Missing,
        bundle: BundleFact | Missing,
        roster: RosterFact | Missing,
    ) -> CountedFact | Missing:
        """The approvals of the scope that count; of those, where a logged allow is judged, among the ones that it relied on."""
        if isinstance(tool, Missing):
            return tool
        if isinstance(scope, Missing):
            return no_complete_scope(tool)
        approved = bundle if tool.requires_proof_bundle_reference else simulation
        above = approved if isinstance(approved, Missing) else approved.index
        question = self.question
        only = None if question.answered is None else question.answered.record.approvals
        found = question.view.valid("human_approval_receipt", "scope", scope.scope_hash, question.size)
        cases = (
            ApprovalCase(self._approval(one), question.at_ns, self.token, tool, simulation, scope, above)
            for one in found
            if only is None or one.payload_hash in only
        )
        return count_approvals(cases, None if isinstance(roster, Missing) else roster)

    def _approval(self, one: Logged) -> ApprovalFact:
        view, size, signer = self.question.view, self.question.size, one.entry.signer_did
        return ApprovalFact(
            one.index,
            one.payload_hash,
            signer,
            one.record,
            view.rosters.person_at(signer, one.index),
            view.rosters.person_at(signer, size),
            view.seen_by(one.index),
            tuple(found.index for found in revocations(view, f"approval:{one.payload_hash}", size)),
            tuple(found.index for found in revocations(view, f"key:{signer}", size)),
        )
