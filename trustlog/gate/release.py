"""What may stand against releasing an allow that is logged and well founded: restrictions seen since."""

from __future__ import annotations

from trustlog.gate.job import Job, restrictions_of
from trustlog.gate.logged import Logged
from trustlog.gate.standing import policy_fact, revocations
from trustlog.gate.view import LogView
from trustlog.policy.finding import Finding
from trustlog.policy.rules import check_restrictions
from trustlog.records.scope import compute_scope_hash


def restrictions_since(view: LogView, allow: Logged) -> tuple[Finding, ...]:
    """What a gate has seen by now that restricts the act of a logged allow, above its index too: it counts from first sight."""
    record = allow.record
    issued = view.valid("token_issued", "token", record.token_hash, view.size)
    job = Job(view, view.size, issued[0])
    known = restrictions_of(job, compute_scope_hash(record.scope), record.scope["plan_hash_b64u"])
    findings = list(check_restrictions(job.terms, known, policy_fact(view, job.terms, view.size)))
    signers = {
        one.entry.signer_did for name in record.approvals for one in view.named(name, "human_approval_receipt", view.size)
    }
    for signer in sorted(signers):
        found = (f"its revocation at index {one.index}" for one in revocations(view, f"key:{signer}", view.size))
        findings += [Finding("KEY_REVOKED", "every approver's key to stand", text) for text in found]
    return tuple(findings)
