"""Which approvals count, and whether they are enough.

An approval counts when every rule of :data:`COUNTING_RULES` holds; then people are counted, not approvals: as many different
people as the tool demands, with an assignment of different people to every role that it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from trustlog.formats.timestamp import NS
from trustlog.gate.job import Job
from trustlog.gate.standing import revocations
from trustlog.gate.view import Logged
from trustlog.limits import MAX_SKEW_AHEAD_S
from trustlog.policy.finding import Finding
from trustlog.policy.rules import assign_roles
from trustlog.records.fields import UnsetType
from trustlog.records.work_policy_contract import Tool

RECEIPT_ID: Final = re.compile(r"trustlog:approval:v1:[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be approved: the scope, under which job, run and tool, above which index, and when it is judged."""

    job: Job
    tool: Tool
    scope: Mapping[str, str]
    scope_hash: str
    run_id: str
    above: int
    at_ns: int


def count_approvals(asked: Asked, only: frozenset[str] | None) -> tuple[list[Logged], list[Finding]]:
    """The approvals that count, at most one a person, and the findings against the rest; nothing found where they suffice.

    `only`, payload hashes, narrows what is looked at.
    """
    counted: dict[str, Logged] = {}
    findings: list[Finding] = []
    view, size = asked.job.view, asked.job.size
    for one in view.valid("human_approval_receipt", "scope", asked.scope_hash, size):
        if only is not None and one.payload_hash not in only:
            continue
        against = list(check_approval(asked, one))
        findings += against
        subject = one.record.approver_subject
        if against:
            continue
        if subject in counted:
            expected = "one approval from each person"
            found = f"{subject} at index {counted[subject].index} and again at index {one.index}"
            findings.append(Finding("APPROVAL_SAME_PERSON", expected, found))
            continue
        counted[subject] = one
    unmet = list(_unmet(asked, counted))
    return list(counted.values()), findings + unmet if unmet else []


def check_approval(asked: Asked, one: Logged) -> Iterator[Finding]:
    """Every reason why one approval does not count."""
    for rule in COUNTING_RULES:
        yield from rule(asked, one)


def _unmet(asked: Asked, counted: Mapping[str, Logged]) -> Iterator[Finding]:
    needed = asked.tool.approvals_needed
    if len(counted) < needed:
        names = ", ".join(sorted(counted)) or "nobody"
        expected = f"{needed} different people approving scope {asked.scope_hash}"
        yield Finding("APPROVALS_INSUFFICIENT", expected, f"{len(counted)}: {names}")
    roster = asked.job.view.rosters.at(asked.job.size)
    if roster is None:
        yield Finding("ROSTER_MISSING", "a roster in force", "none")
        return
    roles = {person.subject: frozenset(person.roles) for person in roster.record.people if person.subject in counted}
    if assign_roles(asked.tool.constraints, roles) is None:
        expected = f"a different approver for each of {', '.join(asked.tool.constraints)}"
        found = "; ".join(f"{subject}: {', '.join(sorted(has)) or 'no role'}" for subject, has in sorted(roles.items()))
        yield Finding("APPROVAL_ROLE_MISSING", expected, found or "no approver")
    requester = asked.job.terms.requester
    people = {person.subject for person in roster.record.people if person.is_valid_at(asked.at_ns)}
    if needed >= 2 and requester not in people:
        yield Finding("REQUESTER_UNKNOWN", "a requester who is a person of the roster, within its validity", requester)


# The rules. Each yields what stands against one approval.


def _is_an_approval(_asked: Asked, one: Logged) -> Iterator[Finding]:
    """``explicit_approve`` with our own receipt id; ``auto_approve`` never counts."""
    record = one.record
    if record.approval_type != "explicit_approve":
        yield _against(one, "approval_type explicit_approve", record.approval_type)
    if not RECEIPT_ID.fullmatch(record.receipt_id):
        yield _against(one, "a receipt_id trustlog:approval:v1:<22 characters>", record.receipt_id)


def _is_of_this_change(asked: Asked, one: Logged) -> Iterator[Finding]:
    """Scope, policy, plan, agent, run and token scope are those that are judged; a nonce is present."""
    record, binding = one.record, one.record.binding
    pairs = (
        ("scope_hash_b64u", asked.scope_hash, record.scope_hash_b64u),
        ("policy_hash_b64u", asked.scope["policy_hash_b64u"], record.policy_hash_b64u),
        ("plan_hash_b64u", asked.scope["plan_hash_b64u"], record.plan_hash_b64u),
        ("agent_did", asked.scope["agent_did"], record.agent_did),
        ("binding.run_id", asked.run_id, binding.run_id),
        ("binding.token_scope_hash_b64u", asked.job.terms.token_scope_hash_b64u, binding.token_scope_hash_b64u),
    )
    for name, expected, found in pairs:
        if found != expected:
            yield _against(one, f"{name} {expected}", "absent" if isinstance(found, UnsetType) else found)
    if isinstance(binding.nonce, UnsetType):
        yield _against(one, "binding.nonce", "absent")


def _by_a_person(asked: Asked, one: Logged) -> Iterator[Finding]:
    """The key belongs to ``approver_subject`` in the roster in force at its own index and at the decision's; valid now."""
    rosters, subject, did = asked.job.view.rosters, one.record.approver_subject, one.entry.signer_did
    before, now = rosters.person_at(did, one.index), rosters.person_at(did, asked.job.size)
    for person, when in ((before, "when it was logged"), (now, "now")):
        if person is None or person.subject != subject:
            expected = f"a key that belongs to {subject} in the roster in force {when}"
            yield Finding("APPROVAL_NOT_PERMITTED", expected, f"{did} at index {one.index}")
    if now is not None and not now.is_valid_at(asked.at_ns):
        yield Finding(
            "APPROVAL_NOT_PERMITTED", f"{subject} to be within the roster's validity", f"outside, index {one.index}"
        )


def _by_another(asked: Asked, one: Logged) -> Iterator[Finding]:
    """The approver is neither the job's requester nor its agent."""
    terms = asked.job.terms
    if one.record.approver_subject == terms.requester or one.entry.signer_did == terms.agent_did:
        expected = f"somebody else than the requester {terms.requester} and the agent"
        yield Finding("APPROVAL_BY_REQUESTER", expected, f"{one.record.approver_subject} at index {one.index}")


def _in_order(asked: Asked, one: Logged) -> Iterator[Finding]:
    """Logged after the simulation; for closing, after the bundle."""
    if one.index <= asked.above:
        yield _against(one, f"an index above {asked.above}, where what it approves was logged", str(one.index))


def _in_time(asked: Asked, one: Logged) -> Iterator[Finding]:
    """No older than ``approval_ttl_s`` when judged, and not from the future.

    What witnesses had already seen is at least that old, whatever the approver's clock said.
    """
    signed_ns = one.record.timestamp.ns
    seen_ns = asked.job.view.seen_by(one.index)
    age_ns = asked.at_ns - (signed_ns if seen_ns is None else min(signed_ns, seen_ns))
    if age_ns > asked.tool.approval_ttl_s * NS:
        expected = f"an approval of at most {asked.tool.approval_ttl_s} s"
        yield Finding("APPROVAL_EXPIRED", expected, f"{age_ns // NS} s at index {one.index}")
    if signed_ns - asked.at_ns > MAX_SKEW_AHEAD_S * NS:
        yield _against(one, f"a timestamp at most {MAX_SKEW_AHEAD_S} s ahead", one.record.timestamp.text)


def _standing(asked: Asked, one: Logged) -> Iterator[Finding]:
    """Neither the approval nor its key was revoked."""
    view, size = asked.job.view, asked.job.size
    targets = {f"approval:{one.payload_hash}": "APPROVAL_REVOKED", f"key:{one.entry.signer_did}": "KEY_REVOKED"}
    for target, code in targets.items():
        for revocation in revocations(view, target, size):
            found = f"the revocation at index {revocation.index}"
            yield Finding(code, f"the approval at index {one.index} to stand", found)


def _against(one: Logged, expected: str, found: str) -> Finding:
    return Finding("APPROVAL_MISMATCH", f"{expected} in the approval at index {one.index}", found)


COUNTING_RULES: Final[tuple[Callable[[Asked, Logged], Iterator[Finding]], ...]] = (
    _is_an_approval,
    _is_of_this_change,
    _by_a_person,
    _by_another,
    _in_order,
    _in_time,
    _standing,
)
