"""Rules about approvals: which of them count, and whether they are enough.

An approval counts when every rule about approvals yields nothing against it. Then people are counted, not approvals: as many
different people as the tool demands, with an assignment of different people to every role that it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from trustlog.formats.timestamp import NS
from trustlog.limits import MAX_SKEW_AHEAD_S
from trustlog.policy.facts import ApprovalFact, CountedFact, Missing, RosterFact, ScopeFact, SimulationFact
from trustlog.policy.finding import Finding
from trustlog.policy.rules.people import assign_roles, unfilled_roles, who_could_approve
from trustlog.policy.rules.rule import is_decided, needs_approvals, needs_two_people, rule
from trustlog.records.fields import UnsetType
from trustlog.records.scope import BUNDLE_MEMBER
from trustlog.records.token_issued import TokenIssued
from trustlog.records.work_policy_contract import Tool

RECEIPT_ID: Final = re.compile(r"trustlog:approval:v1:[A-Za-z0-9_-]{22}")


# Whether one approval counts.


@rule("APPROVAL_MISMATCH", enforces=["approval: explicit, of ours"], about="approval")
def approval_is_explicit(approval: ApprovalFact) -> Iterator[Finding]:
    """It is an explicit approval with a receipt id of ours.

    “`receipt_id` matches `trustlog:approval:v1:[A-Za-z0-9_-]{22}`; `approval_type` is `explicit_approve` (`auto_approve`
    never counts).”
    """
    record = approval.record
    if record.approval_type != "explicit_approve":
        yield _against(approval, "approval_type explicit_approve", record.approval_type)
    if not RECEIPT_ID.fullmatch(record.receipt_id):
        yield _against(approval, "a receipt_id trustlog:approval:v1:<22 characters>", record.receipt_id)


@rule("APPROVAL_MISMATCH", enforces=["approval: of this scope, plan, policy, agent, run and token"], about="approval")
def approval_is_of_this_change(
    approval: ApprovalFact, scope: ScopeFact, simulation: SimulationFact, token: TokenIssued
) -> Iterator[Finding]:
    """It approves exactly this scope, for this policy, plan, agent, run and token scope, with a nonce.

    “Scope, policy, plan, agent, `binding.run_id`, `binding.token_scope_hash_b64u` equal the expected, `binding.nonce`
    present.”
    """
    record, binding = approval.record, approval.record.binding
    pairs = (
        ("scope_hash_b64u", scope.scope_hash, record.scope_hash_b64u),
        ("policy_hash_b64u", scope.members["policy_hash_b64u"], record.policy_hash_b64u),
        ("plan_hash_b64u", scope.members["plan_hash_b64u"], record.plan_hash_b64u),
        ("agent_did", scope.members["agent_did"], record.agent_did),
        ("binding.run_id", simulation.record.run_id, binding.run_id),
        ("binding.token_scope_hash_b64u", token.token_scope_hash_b64u, binding.token_scope_hash_b64u),
    )
    for name, expected, found in pairs:
        if found != expected:
            yield _against(approval, f"{name} {expected}", "absent" if isinstance(found, UnsetType) else found)
    if isinstance(binding.nonce, UnsetType):
        yield _against(approval, "binding.nonce", "absent")


@rule("APPROVAL_NOT_PERMITTED", enforces=["approval: by a person of the roster, then and now"], about="approval")
def approval_is_by_a_person(approval: ApprovalFact, at_ns: int) -> Iterator[Finding]:
    """It is signed by a key of the approver, in the roster then and in the roster now, and valid now.

    “Its envelope is signed by a key that belongs to `approver_subject` in the roster in force at its own index *and* at
    the decision's.”
    """
    subject = approval.record.approver_subject
    for person, when in ((approval.person_then, "when it was logged"), (approval.person_now, "now")):
        if person is None or person.subject != subject:
            expected = f"a key that belongs to {subject} in the roster in force {when}"
            yield Finding("APPROVAL_NOT_PERMITTED", expected, f"{approval.signer_did} at index {approval.index}")
    if approval.person_now is not None and not approval.person_now.is_valid_at(at_ns):
        expected = f"{subject} to be within the roster's validity"
        yield Finding("APPROVAL_NOT_PERMITTED", expected, f"outside, index {approval.index}")


@rule("APPROVAL_BY_REQUESTER", enforces=["approval: not by the requester or the agent"], about="approval")
def approval_is_by_another(approval: ApprovalFact, token: TokenIssued) -> Iterator[Finding]:
    """The approver is neither the requester nor the agent, nor somebody whose key the agent's is.

    “Approver is not the job's `requester`, nor its agent, nor any key in a role.”
    """
    holders = [person for person in (approval.person_then, approval.person_now) if person is not None]
    is_agent = approval.signer_did == token.agent_did or any(token.agent_did in person.keys for person in holders)
    if approval.record.approver_subject == token.requester or is_agent:
        expected = f"somebody else than the requester {token.requester} and the agent"
        yield Finding("APPROVAL_BY_REQUESTER", expected, f"{approval.record.approver_subject} at index {approval.index}")


@rule("APPROVAL_MISMATCH", enforces=["approval: after what it approves"], about="approval")
def approval_is_in_order(approval: ApprovalFact, above: int) -> Iterator[Finding]:
    """It was logged after what it approves.

    “Logged after the simulation (for closing: after the bundle) and before the decision.”
    """
    if approval.index <= above:
        expected = f"an index above {above}, where what it approves was logged"
        yield _against(approval, expected, str(approval.index))


@rule("APPROVAL_EXPIRED", "CLOCK_SKEW", enforces=["tools.*.approval_ttl_s"], about="approval")
def approval_is_in_time(
    approval: ApprovalFact, tool: Tool, scope: ScopeFact, token: TokenIssued, at_ns: int
) -> Iterator[Finding]:
    """It is no older than the policy allows, and not from the future.

    “Its age at `decided_at` (from the older of its signed `timestamp` and the earliest time by which a quorum had
    cosigned an anchor covering it) at most `approval_ttl_s`, and its `timestamp` at most 300 s after `decided_at`.”
    """
    signed_ns = approval.record.timestamp.ns
    age_ns = at_ns - (signed_ns if approval.seen_ns is None else min(signed_ns, approval.seen_ns))
    if age_ns > tool.approval_ttl_s * NS:
        expected = f"an approval of at most {tool.approval_ttl_s} s"
        step = f"Ask {approval.record.approver_subject} to look again and run: {approve_command(scope, token)}"
        yield Finding("APPROVAL_EXPIRED", expected, f"{age_ns // NS} s at index {approval.index}", step)
    if signed_ns - at_ns > MAX_SKEW_AHEAD_S * NS:
        expected = f"a timestamp at most {MAX_SKEW_AHEAD_S} s ahead in the approval at index {approval.index}"
        yield Finding("CLOCK_SKEW", expected, approval.record.timestamp.text)


@rule("APPROVAL_REVOKED", "KEY_REVOKED", enforces=["revocation: approval, key"], about="approval")
def approval_stands(approval: ApprovalFact) -> Iterator[Finding]:
    """Neither it nor its key was revoked.

    “Not revoked.” “A revoked key voids all it signed at a higher index, and its approvals for every later decision.”
    """
    expected = f"the approval at index {approval.index} to stand"
    for code, indexes in (("APPROVAL_REVOKED", approval.revoked_at), ("KEY_REVOKED", approval.key_revoked_at)):
        for index in indexes:
            yield Finding(code, expected, f"the revocation at index {index}")


# Whether those that count are enough.


@rule("ROSTER_MISSING", enforces=["roster: in force"], applies=is_decided)
def roster_is_in_force(roster: RosterFact) -> Iterator[Finding]:
    """A roster is in force.

    “Roster in force at index i: the last to come into force below i, each continuing the one before.” Without one, nobody
    is known.
    """
    del roster  # that there is one is all that is asked
    yield from ()


@rule(
    "APPROVALS_INSUFFICIENT",
    "APPROVAL_SAME_PERSON",
    enforces=["tools.*.step_up_approvals", "tools.*.two_person_rule"],
    applies=needs_approvals,
)
def people_are_enough(
    counted: CountedFact, tool: Tool, scope: ScopeFact, token: TokenIssued, at_ns: int
) -> Iterator[Finding]:
    """As many different people approved as the tool demands.

    “Needed: max(`step_up_approvals`, 2 if `two_person_rule`, number of `approver_constraints`), from as many different
    people *and* keys.”
    """
    people = counted.subjects
    if len(people) < tool.approvals_needed:
        expected = f"{tool.approvals_needed} different people approving scope {scope.scope_hash}"
        step = ask_people(counted, tool, scope, token, at_ns)
        yield Finding("APPROVALS_INSUFFICIENT", expected, f"{len(people)}: {', '.join(people) or 'nobody'}", step)


@rule("APPROVAL_ROLE_MISSING", enforces=["tools.*.approver_constraints"], applies=needs_approvals)
def roles_are_filled(
    counted: CountedFact, tool: Tool, scope: ScopeFact, token: TokenIssued, at_ns: int
) -> Iterator[Finding]:
    """Every role that the tool names is filled by a different approver.

    “… with an assignment of different people to every constraint.”
    """
    if not tool.constraints:
        return
    roles = counted.roles
    if assign_roles(tool.constraints, roles) is None:
        expected = f"a different approver for each of {', '.join(tool.constraints)}"
        found = "; ".join(f"{subject}: {', '.join(sorted(has)) or 'no role'}" for subject, has in sorted(roles.items()))
        step = ask_people(counted, tool, scope, token, at_ns)
        yield Finding("APPROVAL_ROLE_MISSING", expected, found or "no approver", step)


@rule("REQUESTER_UNKNOWN", enforces=["approval: the requester is a person of the roster"], applies=needs_two_people)
def requester_is_a_person(roster: RosterFact, token: TokenIssued, at_ns: int) -> Iterator[Finding]:
    """The requester is a person of the roster, so that two people can be told apart.

    “Where two people are demanded the requester must be a person of the roster.”
    """
    person = roster.person(token.requester)
    if person is None or not person.is_valid_at(at_ns):
        expected = "a requester who is a person of the roster, within its validity"
        yield Finding("REQUESTER_UNKNOWN", expected, token.requester)


# What the rules share.


def no_complete_scope(tool: Tool) -> Missing:
    """Nothing can be approved yet: some other finding says what lacks."""
    found = "no complete scope to approve yet, for the reasons above"
    step = "See to the other reasons first; then ask the gate again, which names the people to ask."
    return Missing(
        (Finding("APPROVALS_INSUFFICIENT", f"{tool.approvals_needed} approvals of a complete scope", found, step),)
    )


def same_person(before: ApprovalFact, again: ApprovalFact) -> Finding:
    """One person, or one key, approved twice."""
    subject = again.record.approver_subject
    found = f"{subject} at index {before.index} and again at index {again.index}"
    return Finding(
        "APPROVAL_SAME_PERSON", "one approval from each person", found, "Ask somebody else; another reason says whom."
    )


def approve_command(scope: ScopeFact, token: TokenIssued) -> str:
    """The command by which a person approves this scope."""
    bundle = scope.members.get(BUNDLE_MEMBER)
    closing = "" if bundle is None else f" --bundle {bundle}"
    return f"trustlog approve --job {token.job_id} --action {scope.members['action']} --plan FILE{closing} …"


def ask_people(counted: CountedFact, tool: Tool, scope: ScopeFact, token: TokenIssued, at_ns: int) -> str:
    """Who is to be asked for the approvals that are still missing, and what they run."""
    names, roster = counted.subjects, counted.roster
    if roster is None:
        return "Ask a roster authority to publish a roster first: trustlog roster publish FILE …"
    missing = unfilled_roles(tool.constraints, counted.roles)
    asked = []
    for role in missing:
        could = who_could_approve(roster, token, at_ns=at_ns, counted=names, role=role)
        asked.append(f"{role}: {could or f'nobody else has this role; {ADD_PERSON}'}")
    others = tool.approvals_needed - len(names) - len(missing)
    if others > 0:
        could = who_could_approve(roster, token, at_ns=at_ns, counted=names)
        asked.append(f"{others} of: {could or f'nobody else in the roster; {ADD_PERSON}'}")
    return (
        f"Ask for an approval of {scope.members['action']} ({'; '.join(asked)}); each runs: {approve_command(scope, token)}"
    )


ADD_PERSON: Final = "ask a roster authority to add one: trustlog roster publish"


def _against(approval: ApprovalFact, expected: str, found: str) -> Finding:
    return Finding("APPROVAL_MISMATCH", f"{expected} in the approval at index {approval.index}", found)
