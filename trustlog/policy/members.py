"""Every member of a policy document in one line each, for whoever writes one; a test holds the list to the schema."""

from __future__ import annotations

from typing import Final

MEMBERS: Final[dict[str, str]] = {
    "wpc_version": 'required, "1"',
    "policy_name": "required, 1 to 128 characters",
    "policy_hash": "in drafts only: checked, then left out",
    "supersedes": "b64u:HASH of the policy that this one replaces",
    "valid_from": "RFC 3339 time from which it is valid",
    "valid_until": "RFC 3339 time at which it ends",
    "enforcement": "required: what holds for everything",
    "enforcement.fail_closed": "required, true: what is missing or undecided is denied",
    "enforcement.require_gateway_receipts": "required: what needs approvals needs a logged model call",
    "enforcement.require_proof_bundle": "required: ticket.close needs the proof bundle",
    "token_requirements": "required: what the job's token must be",
    "token_requirements.require_cst": "required: a scoped token is demanded (it always is)",
    "token_requirements.cst_scope_hash": "b64u:HASH of the only audience and scope that a token may have",
    "token_requirements.optional_policy_hash_pinning": "required: true lets tokens minted elsewhere lack the pin",
    "token_requirements.job_scoped_binding": "required: the token is bound to one job (it always is)",
    "token_requirements.max_ttl_s": "required: the longest life of a token, in seconds",
    "token_requirements.proof_of_possession": "the holder proves a key; not supported yet, so denied",
    "models": "for the model proxy; not supported yet, so denied",
    "models.providers": "required in models: provider names, * for any",
    "models.models": "required in models: model names, * for any",
    "budgets": "per job; not supported yet, so denied",
    "budgets.max_calls": "the most model calls of a job",
    "budgets.max_tokens": "the most tokens of a job's model calls",
    "egress": "informational",
    "egress.hosts": "required in egress: the hosts that may be reached",
    "tools": "required: name to what the tool needs; what is not listed is denied",
    "tools.NAME.allowed": "required: false denies the tool",
    "tools.NAME.required_before": "the tools that may run only after this one was done",
    "tools.NAME.step_up_approvals": "how many different people must approve (0)",
    "tools.NAME.two_person_rule": "at least two people must approve (false)",
    "tools.NAME.approver_constraints": "roles that different approvers must cover",
    "tools.NAME.requires_proof_bundle_reference": "the reason must name the logged bundle (false)",
    "tools.NAME.requires_plan_fingerprint_match": "only the simulated plan (true with approvals)",
    "tools.NAME.change_types": "the only types of change (any)",
    "tools.NAME.environments": "the only environments (any)",
    "tools.NAME.approval_ttl_s": "how long an approval counts, in seconds (86400)",
    "tools.NAME.step_up": "fresh sign-in of approvers; not supported yet, so denied",
    "tools.NAME.step_up.acr": "required in step_up: accepted classes of sign-in",
    "tools.NAME.step_up.max_age_s": "required in step_up: how old the sign-in may be, in seconds",
}
"""The path of each member, with its meaning; what it is when absent stands in brackets."""


def member_lines() -> list[str]:
    """The list for a help text, each member indented under the one that holds it, 79 characters wide at most."""
    lines = []
    for path, meaning in MEMBERS.items():
        steps = path.split(".")
        if path == "tools.NAME.allowed":
            lines.append("  NAME")
        lines.append(f"{'  ' * (len(steps) - 1)}{steps[-1]}: {meaning}")
    return lines
