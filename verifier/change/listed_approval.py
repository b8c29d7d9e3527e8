"""One approval that a decision lists: whether it counts, and whose it is.

An approval counts when it is somebody's explicit word on exactly this scope, policy, plan, agent, run and token scope,
logged after what it is about and below the decision's view, young enough, by a person of both rosters in force who is
neither requester nor agent, and not revoked. Keys that have a role, and keys that are nobody's, never come here: what
they sign is void.
"""

from __future__ import annotations

import re

from verifier.change.case import Allow, Case
from verifier.errors import Refused
from verifier.ledger.logged import Logged
from verifier.limits import CLOCK_TOLERANCE_S
from verifier.records.approval import APPROVAL_ID, Approval
from verifier.records.roster import Person
from verifier.times import NS, format_time

_APPROVAL_ID = re.compile(APPROVAL_ID, re.ASCII)
_IT = "approval"  # the detail of a fault of the whole record, else it names a member
_MAX_SHOWN = 200  # characters of a member that may be of any length


def judge_listed(case: Case, allow: Allow, approval_hash: str) -> tuple[Logged, Person] | Refused:
    """The entry and person of the approval with this payload hash if it counts for the allow, else why it does not.

    Of several entries with it the first that counts is taken, else the last that can be read is told.
    """
    fault: Refused | None = None
    for item in case.history.named("human_approval_receipt", approval_hash):
        if item.fault is not None or not isinstance(item.record, Approval):
            unread = Refused("PAYLOAD_UNREADABLE", _IT, expected="its payload", found="none")
            fault = fault or _said_of(item, item.fault or unread)
            continue
        outcome = _judge(case, allow, item, item.record)
        if isinstance(outcome, Person):
            return item, outcome
        fault = _said_of(item, outcome)
    what = f"approval {approval_hash}"
    return fault or Refused("EVIDENCE_INCOMPLETE", what, expected="among the entries", found="no such entry")


def _said_of(item: Logged, fault: Refused) -> Refused:
    """The same fault, with the approval's index: the check stands at the decision's, which may list several."""
    where = f"approval at index {item.index}"
    if fault.detail != _IT:
        where = f"{fault.detail} of the {where}"
    return Refused(fault.code, where, expected=fault.expected, found=fault.found)


def is_of_another_scope(case: Case, allow: Allow, approval_hash: str) -> bool:
    """Whether what is listed is nobody's word on this scope, so that the decision has one approval less.

    A gate looks for the approvals of a scope: it does not find this one, and finds too few.
    """
    named = [item.record for item in case.history.named("human_approval_receipt", approval_hash)]
    approvals = [record for record in named if isinstance(record, Approval)]
    return bool(approvals) and all(record.scope_hash_b64u != allow.scope_hash for record in approvals)


def _judge(case: Case, allow: Allow, item: Logged, approval: Approval) -> Person | Refused:
    person = case.history.rosters.person_at(item.entry.signer_did, allow.index)
    fault = (
        _type_fault(approval)
        or _reuse_fault(case, allow, approval)
        or _content_fault(allow, approval)
        or _person_fault(case, allow, item, approval, person)
        or _order_fault(case, allow, item)
        or _age_fault(case, allow, item, approval)
        or _revocation_fault(case, allow, item)
    )
    if fault is not None:
        return fault
    assert person is not None, "a missing person is a fault"
    return person


def _type_fault(approval: Approval) -> Refused | None:
    """It says yes in so many words (`auto_approve` never counts), under an id of our form."""
    if approval.approval_type != "explicit_approve":
        found = approval.approval_type
        return Refused("APPROVAL_MISMATCH", "approval_type", expected="explicit_approve", found=found)
    if not _APPROVAL_ID.fullmatch(approval.receipt_id):
        expected, found = "trustlog:approval:v1: and 22 characters", approval.receipt_id[:_MAX_SHOWN]
        return Refused("APPROVAL_MISMATCH", "receipt_id", expected=expected, found=found)
    return None


def _reuse_fault(case: Case, allow: Allow, approval: Approval) -> Refused | None:
    """It approves no scope that an earlier allow of the job decided."""
    if approval.scope_hash_b64u == allow.scope_hash:
        return None
    used = case.allow_of_scope.get(approval.scope_hash_b64u)
    if used is None or used.index >= allow.index:
        return None
    found = f"the allow at index {used.index} used it"
    return Refused("APPROVAL_ALREADY_USED", _IT, expected="one that no allow has used up", found=found)


def _content_fault(allow: Allow, approval: Approval) -> Refused | None:
    """It approves exactly this scope, policy, plan, agent, run and token scope."""
    scope, decision, bound = allow.scope, allow.decision, approval.binding
    for what, expected, found in (
        ("scope_hash_b64u", allow.scope_hash, approval.scope_hash_b64u),
        ("policy_hash_b64u", scope.policy_hash_b64u, approval.policy_hash_b64u),
        ("plan_hash_b64u", scope.plan_hash_b64u, approval.plan_hash_b64u),
        ("agent_did", scope.agent_did, approval.agent_did),
        ("binding.run_id", decision.run_id, bound.run_id if bound else None),
        (
            "binding.token_scope_hash_b64u",
            decision.token_scope_hash_b64u,
            bound.token_scope_hash_b64u if bound else None,
        ),
    ):
        if expected != found:
            return Refused("APPROVAL_MISMATCH", what, expected=expected, found=(found or "none")[:_MAX_SHOWN])
    if bound is None or not bound.nonce:
        return Refused("APPROVAL_MISMATCH", "binding.nonce", expected="a nonce", found="none")
    return None


def _person_fault(case: Case, allow: Allow, item: Logged, approval: Approval, person: Person | None) -> Refused | None:
    """The key is that of the person it names in the rosters in force at the approval's index and at the decision's.

    `person` holds it at the decision's. They are valid when the gate decides, and neither requester nor agent.
    """
    did = item.entry.signer_did
    earlier = case.history.rosters.person_at(did, item.index)
    for holder in (earlier, person):
        if holder is None or holder.subject != approval.approver_subject:
            expected = f"a key of {approval.approver_subject[:64]} in both rosters in force"
            found = f"a key of {holder.subject if holder else 'nobody'} in one of them"
            return Refused("APPROVAL_NOT_PERMITTED", "signer_did", expected=expected, found=found)
    assert person is not None, "the loop checked"
    decided = allow.decision.decided_at
    if not person.is_valid_at(decided):
        expected, found = f"{person.subject} valid when the gate decides", f"not valid at {format_time(decided)}"
        return Refused("APPROVAL_NOT_PERMITTED", "approver", expected=expected, found=found)
    if person.subject == allow.scope.requester:
        expected = "somebody else than the requester"
        return Refused("APPROVAL_BY_REQUESTER", "approver", expected=expected, found=person.subject)
    holds_the_agents_key = any(holder and allow.scope.agent_did in holder.keys for holder in (earlier, person))
    if did == allow.scope.agent_did or holds_the_agents_key:
        expected = "neither the agent nor who holds the agent's key"
        return Refused("APPROVAL_BY_REQUESTER", "approver", expected=expected, found=did)
    return None


def _order_fault(case: Case, allow: Allow, item: Logged) -> Refused | None:
    """It was logged after the simulation (for closing: after the bundle) and below the view."""
    after = case.history.find("simulation", allow.scope.simulation_b64u)
    what, missing = "the simulation", "SIMULATION_MISSING"
    if allow.scope.bundle_b64u is not None:
        after, what = case.history.find("proof_bundle", allow.scope.bundle_b64u), "the bundle"
        missing = "BUNDLE_NOT_LOGGED"
    if after is None:
        return Refused(missing, _IT, expected=f"logged after {what}", found=f"{what} is not logged")
    if after.index < item.index < allow.view:
        return None
    expected = f"logged after {what} and below the view of {allow.view} entries"
    found = f"{what} at index {after.index}" if item.index <= after.index else "at or above the view"
    return Refused("APPROVAL_MISMATCH", _IT, expected=expected, found=found)


def _age_fault(case: Case, allow: Allow, item: Logged, approval: Approval) -> Refused | None:
    """Its age is counted from its own time, or from when witnesses had already seen it, whichever is older."""
    decided = allow.decision.decided_at
    if approval.timestamp > decided + CLOCK_TOLERANCE_S * NS:
        expected = f"at most {CLOCK_TOLERANCE_S} s after the decision's time, {format_time(decided)}"
        return Refused("CLOCK_SKEW", _IT, expected=expected, found=format_time(approval.timestamp))
    seen_s = case.earliest_seen_s(item.index)
    since = approval.timestamp if seen_s is None else min(approval.timestamp, seen_s * NS)
    ttl_s = allow.tool.ttl_s if allow.tool else 0
    if decided - since > ttl_s * NS:
        expected = f"at most {ttl_s} s old at {format_time(decided)}"
        return Refused("APPROVAL_EXPIRED", _IT, expected=expected, found=f"of {format_time(since)}")
    return None


def _revocation_fault(case: Case, allow: Allow, item: Logged) -> Refused | None:
    """Neither it nor its signer's key was revoked below the decision."""
    first_below = case.history.revocations.first_below
    at = first_below(f"approval:{item.entry.payload_hash_b64u}", allow.index)
    if at is not None:
        return Refused("APPROVAL_REVOKED", _IT, expected="not revoked", found=f"revoked at index {at}")
    at = first_below(f"key:{item.entry.signer_did}", allow.index)
    if at is not None:
        return Refused("KEY_REVOKED", "its signer's key", expected="not revoked", found=f"revoked at index {at}")
    return None
