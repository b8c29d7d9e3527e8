"""Rules of one allow about its policy, and what that says of the tool."""

from __future__ import annotations

from verifier.change.absence import adverse_at, check_absent
from verifier.change.case import Allow, Case
from verifier.change.done import check_required_steps
from verifier.change.findings import Findings
from verifier.errors import Refused
from verifier.records.policy import Policy, PublishedPolicy
from verifier.times import format_time


def check_policy(case: Case, findings: Findings, allow: Allow) -> None:
    """The policy was published by a quorum below the view, valid at the decision, neither revoked nor superseded."""
    name, policy_hash = allow.name("policy.in_force"), allow.scope.policy_hash_b64u
    since = case.history.policies.in_force_since(policy_hash)
    if since is None or since >= allow.view or allow.policy is None:
        fault = _policy_fault(case, allow)
        findings.refused(name, fault, index=allow.index)
        return
    if not allow.policy.is_valid_at(allow.decision.decided_at):
        findings.failed(
            name,
            "POLICY_NOT_IN_FORCE",
            expected=f"valid when the gate decides, {format_time(allow.decision.decided_at)}",
            found=_say_validity(allow.policy),
            index=allow.index,
        )
        return
    if allow.policy.models is not None or allow.policy.budgets is not None:
        findings.failed(
            name,
            "POLICY_UNSUPPORTED",
            expected="no models and budgets: nothing here shows that they were enforced",
            found=" and ".join(name for name in ("models", "budgets") if getattr(allow.policy, name) is not None),
            index=allow.index,
        )
        return
    findings.passed(name, f"policy {policy_hash}, in force since index {since}", index=allow.index)
    unjudged = _unjudged(case, policy_hash)
    if unjudged:
        findings.not_proven.append(f"that these rules of policy {policy_hash} were kept: {', '.join(unjudged)}")
    revoked = case.history.revocations.first_below(f"policy:{policy_hash}", allow.index)
    check_absent(
        case,
        findings,
        allow,
        "policy.not_revoked",
        expected="policy not revoked",
        adverse=adverse_at("POLICY_REVOKED", "policy", "revoked", revoked),
    )
    superseded = case.history.policies.superseded_below(policy_hash, allow.index)
    check_absent(
        case,
        findings,
        allow,
        "policy.not_superseded",
        expected="policy not superseded",
        adverse=adverse_at("POLICY_SUPERSEDED", "policy", "superseded", superseded),
    )


def _unjudged(case: Case, policy_hash: str) -> tuple[str, ...]:
    """The members of a policy that demand what no evidence of a change shows."""
    found = case.history.find("work_policy_contract", policy_hash)
    return found.record.unjudged if found is not None and isinstance(found.record, PublishedPolicy) else ()


def _policy_fault(case: Case, allow: Allow) -> Refused:
    policy_hash = allow.scope.policy_hash_b64u
    found = case.history.find("work_policy_contract", policy_hash)
    if found is None:
        return Refused("POLICY_NOT_FOUND", f"policy {policy_hash}", expected="among the entries", found="no such entry")
    if found.fault is not None:
        return found.fault
    since = case.history.policies.in_force_since(policy_hash)
    if since is not None and since < allow.view:
        return Refused("POLICY_INVALID", "policy", expected="rules for changes", found="none")
    expected = f"published by {case.trust.policy_quorum} trusted issuers below the view of {allow.view} entries"
    published = "by fewer" if since is None else f"by so many at index {since}"
    return Refused("POLICY_NOT_IN_FORCE", "policy", expected=expected, found=published)


def _say_validity(policy: Policy) -> str:
    start = "" if policy.valid_from is None else f"from {format_time(policy.valid_from)}"
    end = "" if policy.valid_until is None else f"until {format_time(policy.valid_until)}"
    return " ".join(("valid", *filter(None, (start, end))))


def check_tool(case: Case, findings: Findings, allow: Allow) -> None:
    """The tool is listed and allowed, for this change type and environment, and demands nothing unsupported.

    Then the steps that must come before it were done.
    """
    name, scope, tool = allow.name("policy.tool"), allow.scope, allow.tool
    if allow.policy is None:
        return
    simulate = allow.policy.tools.get("change.simulate")
    if tool is None:
        findings.failed(
            name, "TOOL_NOT_LISTED", expected=f"tool {scope.action} in the policy", found="not listed", index=allow.index
        )
        return
    problems = (
        (not tool.allowed, "TOOL_NOT_ALLOWED", f"{scope.action} allowed", "allowed: false"),
        (
            tool.change_types is not None and scope.change_type not in tool.change_types,
            "CHANGE_TYPE_NOT_ALLOWED",
            "change type " + " or ".join(tool.change_types or ()),
            scope.change_type,
        ),
        (
            tool.environments is not None and scope.environment not in tool.environments,
            "ENVIRONMENT_NOT_ALLOWED",
            "environment " + " or ".join(tool.environments or ()),
            scope.environment,
        ),
        (tool.step_up is not None, "STEP_UP_UNSUPPORTED", f"{scope.action} without step_up", "one with it"),
        (simulate is None, "TOOL_NOT_LISTED", "change.simulate, on which the allow rests, listed", "not listed"),
        (
            simulate is not None and not simulate.allowed,
            "TOOL_NOT_ALLOWED",
            "change.simulate, on which the allow rests, allowed",
            "allowed: false",
        ),
        (
            bool(tool.requires_proof_bundle_reference) != (scope.bundle_b64u is not None),
            "DECISION_INVALID",
            "a bundle in the scope" if tool.requires_proof_bundle_reference else "no bundle in the scope",
            scope.bundle_b64u or "none",
        ),
    )
    for wrong, code, expected, found in problems:
        if wrong:
            findings.failed(name, code, expected=expected, found=found, index=allow.index)
            return
    findings.passed(name, f"{scope.action} of {scope.change_type} in {scope.environment}", index=allow.index)
    check_required_steps(case, findings, allow)
