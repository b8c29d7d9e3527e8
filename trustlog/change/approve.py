"""Approve or deny: a person signs the scope of one action, computed by themselves from the log. Done by an approver."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from trustlog.change.desk import Desk, Published
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.envelope import Signer
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.timestamp import format_timestamp
from trustlog.gate.job import Job
from trustlog.gate.judge import Judgement
from trustlog.policy.finding import Finding
from trustlog.records.scope import BUNDLE_MEMBER, is_complete_scope
from trustlog.records.work_policy_contract import ChangeManagement

# What approvals themselves cure, or what is wrong with some that do not count and hinder no others.
NEEDS_APPROVALS: Final = frozenset(
    {
        "APPROVALS_INSUFFICIENT",
        "APPROVAL_ROLE_MISSING",
        "APPROVAL_SAME_PERSON",
        "APPROVAL_MISMATCH",
        "APPROVAL_EXPIRED",
        "APPROVAL_NOT_PERMITTED",
        "APPROVAL_BY_REQUESTER",
    }
)
# What no step completes: the action is not one that can be approved, or its job is over.
NOTHING_TO_APPROVE: Final = frozenset(
    {"TOOL_NOT_LISTED", "TOOL_NOT_ALLOWED", "JOB_ENDED", "JOB_DENIED", "JOB_REVOKED", "TOKEN_REVOKED", "RUN_MISMATCH"}
)
# What the token issuer mends while people look: the approval covers the job's terms, and a renewed token has the same.
PASSES: Final = frozenset({"TOKEN_EXPIRED"})


@dataclass(frozen=True, slots=True)
class Matter:
    """What is put before a person: the scope, the plan's bytes, the policy, and what else stands in the way."""

    job: Job
    judgement: Judgement
    scope: Mapping[str, str]
    scope_hash: str
    plan: bytes | None
    rules: ChangeManagement | None

    @property
    def is_complete(self) -> bool:
        """Whether the scope has all that an approval must name: the bundle too, exactly where the tool demands one."""
        tool = None if self.rules is None else self.rules.tools.get(self.scope.get("action", ""))
        names_bundle = BUNDLE_MEMBER in self.scope
        return tool is not None and is_complete_scope(self.scope) and names_bundle == tool.requires_proof_bundle_reference

    @property
    def against(self) -> list[Finding]:
        """What a gate would still refuse besides missing approvals."""
        return [one for one in self.judgement.findings if one.code not in NEEDS_APPROVALS]

    @property
    def obstacles(self) -> list[str]:
        """The same as text, one line each."""
        return [f"{one.code}: {one.detail}" for one in self.against]

    def check_unobstructed(self) -> None:
        """Check that approvals are all that is missing. Raises :class:`Refused` with the code of what else stands in the way."""
        lasting = [one for one in self.against if one.code not in PASSES]
        if not lasting:
            return
        first, others = lasting[0], len(lasting) - 1
        more = f", and {others} more" if others else ""
        raise Refused(
            first.code,
            f"more than approvals is missing{more}; nothing was signed",
            expected=first.expected,
            found=first.found,
            hint=f"see to it first: {first.hint.rstrip('.')}. To approve all the same: --despite-obstacles",
        )


async def put_before(desk: Desk, job_id: str, action: str, *, plan_hash: str | None, bundle: str | None) -> Matter:
    """The matter of one action of a job, as the log has it now. `bundle` (base64url) is what a closing reason would name."""
    job = await desk.job(job_id)
    reason = None if bundle is None else f"bundle:{bundle}"
    judgement = await desk.judgement(job, action, plan_hash=plan_hash, closing_reason=reason)
    scope = judgement.scope
    fingerprint = scope.get("plan_hash_b64u")
    plan = None if fingerprint is None else await desk.reading.plan(fingerprint)
    policy = desk.reading.view.first(job.terms.policy_hash_b64u, "work_policy_contract", job.size)
    rules = None if policy is None else policy.record.rules
    scope_hash = encode_b64u(hashlib.sha256(canonicalize(dict(scope))).digest())
    return Matter(job, judgement, scope, scope_hash, plan, rules)


async def answer(
    desk: Desk,
    signer: Signer,
    matter: Matter,
    *,
    verdict: Literal["explicit_approve", "explicit_deny"],
    summary: str = "",
) -> Published:
    """Sign an approval or a denial of `matter` by the person of the roster whose key `signer` is.

    Raises :class:`Refused`: ``APPROVAL_NOT_PERMITTED`` (no person's key), ``APPROVALS_INSUFFICIENT`` (nothing complete to approve).
    """
    job, scope = matter.job, matter.scope
    person = job.view.rosters.person_at(signer.did, job.size)
    if person is None:
        expected = "a key of a person of the roster in force"
        raise Refused("APPROVAL_NOT_PERMITTED", "this key is nobody's", param="key", expected=expected, found=signer.did)
    if verdict == "explicit_approve":
        check_something_to_approve(matter)
    at_ns = desk.clock()
    binding = {
        "run_id": matter.judgement.run_id,
        "nonce": encode_b64u(desk.random_bytes(16)),
        "policy_hash": job.terms.policy_hash_b64u,
        "token_scope_hash_b64u": job.terms.token_scope_hash_b64u,
    }
    payload = {
        "receipt_version": "1",
        "receipt_id": f"trustlog:approval:v1:{encode_b64u(desk.random_bytes(16))}",
        "approval_type": verdict,
        "approver_subject": person.subject,
        "approver_method": "cli_confirm",
        "agent_did": job.terms.agent_did,
        "scope_hash_b64u": matter.scope_hash,
        "scope_summary": summary or f"{scope.get('action', 'any action')} for {job.terms.ticket}",
        "policy_hash_b64u": job.terms.policy_hash_b64u,
        "plan_hash_b64u": scope.get("plan_hash_b64u"),
        "hash_algorithm": "SHA-256",
        "timestamp": format_timestamp(at_ns),
        "binding": {name: value for name, value in binding.items() if value is not None},
    }
    payload = {name: value for name, value in payload.items() if value is not None}
    return await desk.publish("human_approval_receipt", payload, signer)


def _what_lacks(matter: Matter) -> str:
    """The next step of who was to approve: naming the bundle is theirs, all else is for others to see to."""
    tool = None if matter.rules is None else matter.rules.tools.get(matter.scope.get("action", ""))
    if tool is not None and tool.requires_proof_bundle_reference and BUNDLE_MEMBER not in matter.scope:
        return f"name the bundle: --bundle HASH, as trustlog bundle --job {matter.job.terms.job_id} prints it"
    return "see to what is missing first"


def check_something_to_approve(matter: Matter) -> None:
    """Check that there is a complete scope; ``APPROVALS_INSUFFICIENT``, or the code of what no step of anybody's completes."""
    if matter.is_complete:
        return
    final = next((one for one in matter.against if one.code in NOTHING_TO_APPROVE), None)
    if final is not None:
        detail = "no approval can allow this; nothing was signed"
        raise Refused(final.code, detail, expected=final.expected, found=final.found, hint=final.hint)
    raise Refused(
        "APPROVALS_INSUFFICIENT",
        "there is no complete scope to approve yet",
        param="scope",
        expected="a simulated plan, and for closing a logged bundle",
        found="; ".join(matter.obstacles) or "an action that needs no approval",
        hint=f"{_what_lacks(matter)}; nothing was signed",
    )
