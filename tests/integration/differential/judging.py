"""One logged allow judged twice: by the gate, at its own index, and by the verifier, which has read the whole log."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.trust import ORIGIN, trust_text
from tests.unit.gate.story import Story
from trustlog.gate.judge import judge_logged_allow
from trustlog.gate.logged import Logged
from verifier.change.case import Case
from verifier.change.decision_rules import check_decision
from verifier.change.evidence_rules import check_listed
from verifier.change.execution_rules import begin_fault
from verifier.change.findings import Findings
from verifier.encodings import encode_b64u
from verifier.ledger.history import History
from verifier.records.decision import Decision
from verifier.report import Check, Status
from verifier.tree import hash_leaf
from verifier.trust import parse_trust_policy


def judged_by_trustlog(story: Story, allow: Logged) -> list[str]:
    """The codes of what stands against it, in the gate's order, once the receipts and bundles of its job were read."""
    issued = story.view.valid("token_issued", "token", allow.record.token_hash, story.view.size)
    if issued:
        story.read_late(issued[0])
    return [finding.code for finding in judge_logged_allow(story.view, allow, story.plans)]


def read_history(data: Mapping[int, bytes], texts: Mapping[int, bytes]) -> History:
    """The verifier's history of a whole log."""
    history = History(parse_trust_policy(trust_text().encode()), ORIGIN)
    for index in sorted(data):
        history.add(index, data[index], texts.get(index))
    history.complete_to = len(data)
    return history


def judged_by_verifier(history: History, story: Story, allow: Logged, data: Mapping[int, bytes]) -> list[Check]:
    """The checks of the decision that did not pass; whether it was withdrawn later is another question."""
    scope = allow.record.scope
    case = Case(
        history=history,
        trust=history.trust,
        at_ns=story.now_ns,
        ticket=scope["ticket"],
        job_id=scope["job_id"],
        run_id=allow.record.run_id,
        bundle_b64u=scope.get("bundle_b64u"),
        payloads=dict(story.plans),
        seen=(),
    )
    findings = Findings()
    item = history.at(allow.index)
    assert item is not None
    if isinstance(item.record, Decision):
        check_listed(findings, item, item.record, {at: encode_b64u(hash_leaf(entry)) for at, entry in data.items()})
    check_decision(case, findings, allow.payload_hash, relied_on_at=allow.index)
    for begin, record in case.begins:  # an execution outside the rules fails the change, and stands against all that follows
        fault = begin_fault(history, begin, record) if begin.index < allow.index else None
        if fault is not None:
            findings.refused("execution.begin", fault, index=begin.index)
        elif begin.index < allow.index:
            check_decision(case, findings, record.decision_b64u, relied_on_at=allow.index)
    failed = [check for check in findings.checks if check.status not in (Status.PASS, Status.PROVEN)]
    return [check for check in failed if not check.name.startswith("not_withdrawn[")]
