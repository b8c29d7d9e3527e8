"""Rules of one allow about people: which approvals count, two-person rule, roles by assignment, denials."""

from __future__ import annotations

import re
from collections.abc import Sequence

from verifier.change.absence import check_absent
from verifier.change.case import Allow, Case
from verifier.change.findings import Findings
from verifier.errors import Refused
from verifier.ledger.logged import Logged, State
from verifier.ledger.rosters import RosterInForce
from verifier.limits import CLOCK_TOLERANCE_S
from verifier.records.approval import APPROVAL_ID, Approval
from verifier.records.roster import Person
from verifier.times import NS, format_time

_APPROVAL_ID = re.compile(APPROVAL_ID, re.ASCII)


def check_approvals(case: Case, findings: Findings, allow: Allow) -> None:
    """Every listed approval counts, and together they are enough people with the demanded roles.

    Told in the order of the gate: what stands against approvals of the scope, whether the others are enough people, and last
    what is listed of another scope.
    """
    name = allow.name("approvals.roster")
    roster = case.history.rosters.at(allow.index)
    viewed = case.history.rosters.at(allow.view)
    if roster is None or viewed is None:
        findings.failed(name, "ROSTER_MISSING", expected="a roster in force", index=allow.index)
        return
    named = allow.decision.roster_b64u
    later = next((one.payload_hash_b64u for one in (viewed, roster) if one.payload_hash_b64u != named), None)
    adverse = None
    if later is not None:
        adverse = Refused("ROSTER_NOT_CONTINUING", "roster_b64u", expected=later, found=named)
    check_absent(case, findings, allow, "approvals.latest_roster", expected="no later roster", adverse=adverse)
    people: list[Person] = []
    against: list[Refused] = []
    foreign: list[Refused] = []
    for approval_hash in allow.decision.approvals:
        outcome = _judge_listed(case, allow, approval_hash)
        if isinstance(outcome, Refused):
            (foreign if _is_of_another_scope(case, allow, approval_hash) else against).append(outcome)
            continue
        item, person = outcome
        findings.passed(allow.name("approvals.counts"), f"by {person.subject}", index=item.index)
        people.append(person)
    for fault in against:
        findings.refused(allow.name("approvals.counts"), fault, index=allow.index)
    _check_enough(findings, allow, people, roster)
    for fault in foreign:
        findings.refused(allow.name("approvals.counts"), fault, index=allow.index)


def _is_of_another_scope(case: Case, allow: Allow, approval_hash: str) -> bool:
    """Whether what is listed is nobody's word on this scope, so that the decision has one approval less.

    A gate looks for the approvals of a scope: it does not find this one, and finds too few.
    """
    named = [item.record for item in case.history.named("human_approval_receipt", approval_hash)]
    approvals = [record for record in named if isinstance(record, Approval)]
    return bool(approvals) and all(record.scope_hash_b64u != allow.scope_hash for record in approvals)


def _judge_listed(case: Case, allow: Allow, approval_hash: str) -> tuple[Logged, Person] | Refused:
    """The entry and person of a listed approval that counts, or why it does not."""
    fault: Refused | None = None
    for item in case.history.named("human_approval_receipt", approval_hash):
        if item.fault is not None or not isinstance(item.record, Approval):
            fault = fault or item.fault or Refused("PAYLOAD_UNREADABLE", "approval", expected="its payload")
            continue
        outcome = _judge_approval(case, allow, item)
        if isinstance(outcome, Person):
            return item, outcome
        fault = outcome
    return fault or Refused("EVIDENCE_INCOMPLETE", "approval", expected=f"approval {approval_hash} in the evidence")


def _judge_approval(case: Case, allow: Allow, item: Logged) -> Person | Refused:
    approval = item.record
    assert isinstance(approval, Approval), "the caller checked"
    person = case.history.rosters.person_at(item.entry.signer_did, allow.index)
    fault = (
        _content_fault(case, allow, item, approval)
        or _person_fault(case, allow, item, person)
        or _order_fault(case, allow, item)
        or _age_fault(case, allow, item)
        or _revocation_fault(case, allow, item)
    )
    if fault is not None:
        return fault
    assert person is not None, "a missing person is a fault"
    return person


def _content_fault(case: Case, allow: Allow, item: Logged, approval: Approval) -> Refused | None:
    """It approves exactly this scope, policy, plan, agent, run and token scope."""
    if approval.approval_type != "explicit_approve" or not _APPROVAL_ID.fullmatch(approval.receipt_id):
        return Refused(
            "APPROVAL_MISMATCH",
            f"approval at index {item.index}",
            expected="explicit_approve with a trustlog approval id",
            found=approval.approval_type,
        )
    if approval.scope_hash_b64u != allow.scope_hash:
        used = case.allow_of_scope.get(approval.scope_hash_b64u)
        if used is not None and used.index < allow.index:
            return Refused(
                "APPROVAL_ALREADY_USED",
                f"approval at index {item.index}",
                expected="one that no allow has used up",
                found=f"the allow at index {used.index} used it",
            )
    bound = approval.binding
    for what, expected, found in (
        ("scope_hash_b64u", allow.scope_hash, approval.scope_hash_b64u),
        ("policy_hash_b64u", allow.scope.policy_hash_b64u, approval.policy_hash_b64u),
        ("plan_hash_b64u", allow.scope.plan_hash_b64u, approval.plan_hash_b64u),
        ("agent_did", allow.scope.agent_did, approval.agent_did),
        ("binding.run_id", allow.decision.run_id, bound.run_id if bound else None),
        (
            "binding.token_scope_hash_b64u",
            allow.decision.token_scope_hash_b64u,
            bound.token_scope_hash_b64u if bound else None,
        ),
    ):
        if expected != found:
            return Refused("APPROVAL_MISMATCH", f"{what} of the approval at index {item.index}", expected=expected)
    if bound is None or not bound.nonce:
        return Refused("APPROVAL_MISMATCH", f"approval at index {item.index}", expected="binding.nonce")
    return None


def _order_fault(case: Case, allow: Allow, item: Logged) -> Refused | None:
    """It was logged after the simulation (for closing: after the bundle) and below the view."""
    after = case.history.find("simulation", allow.scope.simulation_b64u)
    what, missing = "the simulation", "SIMULATION_MISSING"
    if allow.scope.bundle_b64u is not None:
        after, what = case.history.find("proof_bundle", allow.scope.bundle_b64u), "the bundle"
        missing = "BUNDLE_NOT_LOGGED"
    if after is None:
        return Refused(missing, f"approval at index {item.index}", expected=f"logged after {what}")
    if after.index < item.index < allow.view:
        return None
    return Refused(
        "APPROVAL_MISMATCH",
        f"approval at index {item.index}",
        expected=f"logged after {what} and below the view of {allow.view} entries",
    )


def _person_fault(case: Case, allow: Allow, item: Logged, person: Person | None) -> Refused | None:
    """The key belongs to the named person at both indexes, who is valid, and neither requester, agent nor a role."""
    approval, did = item.record, item.entry.signer_did
    assert isinstance(approval, Approval), "the caller checked"
    where = f"approval at index {item.index}"
    earlier = case.history.rosters.person_at(did, item.index)
    for holder in (earlier, person):
        if holder is None or holder.subject != approval.approver_subject:
            return Refused(
                "APPROVAL_NOT_PERMITTED",
                where,
                expected=f"a key of {approval.approver_subject[:64]} in both rosters in force",
                found=holder.subject if holder else "nobody",
            )
    assert person is not None, "the loop checked"
    if not person.is_valid_at(allow.decision.decided_at):
        return Refused("APPROVAL_NOT_PERMITTED", where, expected=f"{person.subject} valid at decided_at")
    if person.subject == allow.scope.requester:
        return Refused("APPROVAL_BY_REQUESTER", where, expected="somebody else than the requester", found=person.subject)
    holds_the_agents_key = any(holder and allow.scope.agent_did in holder.keys for holder in (earlier, person))
    if did == allow.scope.agent_did or holds_the_agents_key:
        return Refused("APPROVAL_BY_REQUESTER", where, expected="neither the agent nor who holds the agent's key", found=did)
    return None


def _revocation_fault(case: Case, allow: Allow, item: Logged) -> Refused | None:
    first_below, where = case.history.revocations.first_below, f"approval at index {item.index}"
    at = first_below(f"approval:{item.entry.payload_hash_b64u}", allow.index)
    if at is not None:
        return Refused("APPROVAL_REVOKED", where, expected="not revoked", found=f"revoked at index {at}")
    at = first_below(f"key:{item.entry.signer_did}", allow.index)
    if at is not None:
        return Refused("KEY_REVOKED", where, expected="a key that is not revoked", found=f"revoked at index {at}")
    return None


def _age_fault(case: Case, allow: Allow, item: Logged) -> Refused | None:
    """Its age is counted from its own time, or from when witnesses had already seen it, whichever is older."""
    approval = item.record
    assert isinstance(approval, Approval), "the caller checked"
    decided = allow.decision.decided_at
    if approval.timestamp > decided + CLOCK_TOLERANCE_S * NS:
        return Refused("CLOCK_SKEW", f"approval at index {item.index}", expected="at most 300 s after decided_at")
    seen_s = case.earliest_seen_s(item.index)
    since = approval.timestamp if seen_s is None else min(approval.timestamp, seen_s * NS)
    ttl_s = allow.tool.ttl_s if allow.tool else 0
    if decided - since > ttl_s * NS:
        return Refused(
            "APPROVAL_EXPIRED",
            f"approval at index {item.index}",
            expected=f"at most {ttl_s} s old at {format_time(decided)}",
            found=f"of {format_time(since)}",
        )
    return None


def _check_enough(findings: Findings, allow: Allow, people: Sequence[Person], roster: RosterInForce) -> None:
    tool = allow.tool
    if tool is None:
        return
    name, needed = allow.name("approvals.enough"), tool.approvals_needed
    different = {person.subject: person for person in people}
    if len(different) < needed:
        code = "APPROVAL_SAME_PERSON" if len(people) > len(different) else "APPROVALS_INSUFFICIENT"
        findings.failed(
            name,
            code,
            expected=f"{needed} different people",
            found=", ".join(different) or "nobody",
            index=allow.index,
        )
        return
    constraints = tool.approver_constraints or ()
    if not is_assignable(constraints, list(different.values())):
        findings.failed(
            name,
            "APPROVAL_ROLE_MISSING",
            expected="a different person for each of " + ", ".join(constraints),
            found=", ".join(f"{person.subject} ({' '.join(person.roles)})" for person in different.values()),
            index=allow.index,
        )
        return
    requester = roster.roster.person_named(allow.scope.requester)
    if needed >= 2 and (requester is None or not requester.is_valid_at(allow.decision.decided_at)):
        findings.failed(
            name,
            "REQUESTER_UNKNOWN",
            expected="the requester is a person of the roster, so that two people are",
            found=allow.scope.requester,
            index=allow.index,
        )
        return
    findings.passed(name, f"{len(different)} of {needed}: {', '.join(different) or 'none needed'}", index=allow.index)


def is_assignable(constraints: Sequence[str], people: Sequence[Person]) -> bool:
    """Whether every role in `constraints` can have a person of its own (bipartite matching)."""
    holder: dict[int, int] = {}  # person -> constraint

    def assign(constraint: int, tried: set[int]) -> bool:
        for number, person in enumerate(people):
            if constraints[constraint] not in person.roles or number in tried:
                continue
            tried.add(number)
            if number not in holder or assign(holder[number], tried):
                holder[number] = constraint
                return True
        return False

    return all(assign(constraint, set()) for constraint in range(len(constraints)))


def check_denials(case: Case, findings: Findings, allow: Allow) -> None:
    """No denial below the decision is of the job (it ends the job) or of the plan (it stays denied everywhere)."""
    check_absent(
        case,
        findings,
        allow,
        "approvals.not_denied",
        expected="neither job nor plan denied",
        adverse=_find_denial(case, allow),
    )


def _find_denial(case: Case, allow: Allow) -> Refused | None:
    denials = [item for item in case.denials if item.index < allow.index]
    if not denials:
        return None
    scopes = {
        decision.scope_hash()
        for item, decision in case.decisions
        if item.index <= allow.index and decision.scope.get("job_id") == case.job_id
    }
    for item in denials:
        plan = item.ref("plan") == allow.scope.plan_hash_b64u
        job = item.ref("scope") in scopes or item.ref("token_scope") in case.token_scopes
        if plan or job:
            found = "an unreadable approval" if item.state is State.UNREAD else "a denial"
            code = "JOB_DENIED" if job else "PLAN_DENIED"
            return Refused(code, "denial", found=f"{found} at index {item.index}")
    return None
