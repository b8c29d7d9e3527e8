"""Rules about an allow that is in the log, and that something relies on: it says what the evidence says.

All other rules apply to it too: it is judged again, at its own index.
"""

from __future__ import annotations

from collections.abc import Iterator

from trustlog.policy.facts import CountedFact, DecisionFact, ScopeFact, SimulationFact
from trustlog.policy.finding import Finding
from trustlog.policy.rules.rule import rule
from trustlog.records.token_issued import TokenIssued


@rule(
    "VIEW_INVALID",
    "EVIDENCE_INCOMPLETE",
    enforces=["decision: decided on a view of this log below its index"],
    about="logged allow",
)
def decision_says_what_the_log_has(decision: DecisionFact) -> Iterator[Finding]:
    """The decision was made on a tree that this log had below its index, and lists entries of that tree; so was what it lists.

    “So the index is the only arbiter between gates, revocations and denials, and every reader judges an allow at its own
    index.” “`view{size, root_b64u}`”: the root of this log at that size.
    """
    for one in decision.misstated:
        where = "" if one.index == decision.index else f", in the decision at index {one.index}"
        yield Finding(one.code, one.expected, f"{one.found}{where}")


@rule("DECISION_INVALID", enforces=["decision: its members", "scope: its members and round"], about="logged allow")
def decision_says_what_the_evidence_says(
    decision: DecisionFact,
    scope: ScopeFact,
    simulation: SimulationFact,
    counted: CountedFact,
    token: TokenIssued,
) -> Iterator[Finding]:
    """Scope, run, roster, token scope and approvals are those that the evidence gives.

    “Each of `approvals` must be an approval that counts”; “its members equal the scope's”; “`round` is the decimal of 1 +
    the number of allows below the decision, not void, for the same job and action”.
    """
    said = (decision.scope, decision.run_id, decision.roster_b64u, decision.token_scope_hash_b64u, decision.approvals)
    counting = frozenset(one.payload_hash for one in (*counted.approvals, *counted.again))
    roster = None if counted.roster is None else counted.roster.payload_hash
    terms = (simulation.record.run_id, roster, token.token_scope_hash_b64u)
    if said != (dict(scope.members), *terms, counting):
        expected = "an allow whose scope, run, roster, token scope and approvals are what the evidence says"
        yield Finding("DECISION_INVALID", expected, f"others in the decision at index {decision.index}")


@rule("EVIDENCE_INCOMPLETE", enforces=["decision: lists its evidence"], about="logged allow")
def decision_lists_its_evidence(decision: DecisionFact) -> Iterator[Finding]:
    """The decision lists every entry that concerns the change.

    “`evidence[{index, leaf_hash_b64u}]` (every entry below `view.size` whose refs share … with the change …)”.
    """
    for index in decision.omitted[:1]:
        yield Finding("EVIDENCE_INCOMPLETE", "every entry that concerns the change", f"none of index {index}")
