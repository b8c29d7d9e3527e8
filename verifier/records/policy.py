"""The change-management policy (WPC): which tool may do what, after which steps, with whose approval.

Closed: an unknown member, an unknown version or an unreadable value makes the policy invalid.
"""

# ruff: noqa: RUF009 - s.member and s.optional are field specifiers, evaluated once on purpose

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from verifier import schema as s
from verifier.errors import Refused

_names = s.list_of(s.text, minimum=1)
_policy_address = s.matching("b64u:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", "b64u:<43>")
_tool_name = s.matching(r"[A-Za-z0-9._-]{1,64}", "a tool name of 1 to 64 of A-Z a-z 0-9 . _ -")
MAX_LIFETIME_S = 366 * 86_400  # of a token or an approval
SIMULATE, EXECUTE, CLOSE = "change.simulate", "change.execute", "ticket.close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """What must always hold."""

    fail_closed: bool = s.member(s.flag)
    require_gateway_receipts: bool = s.member(s.flag)
    require_proof_bundle: bool = s.member(s.flag)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequirements:
    """What a token must be."""

    require_cst: bool = s.member(s.flag)
    cst_scope_hash: str | None = s.optional(_policy_address)
    optional_policy_hash_pinning: bool = s.member(s.flag)
    job_scoped_binding: bool = s.member(s.flag)
    max_ttl_s: int = s.member(s.integer(1, MAX_LIFETIME_S))
    proof_of_possession: bool | None = s.optional(s.flag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Which models may be called; enforced by the model proxy."""

    providers: tuple[str, ...] | None = s.optional(_names)
    models: tuple[str, ...] | None = s.optional(_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """How much a job may consume; enforced by the model proxy."""

    max_calls: int | None = s.optional(s.integer())
    max_tokens: int | None = s.optional(s.integer())


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """Informational."""

    hosts: tuple[str, ...] | None = s.optional(_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUpRule:
    """A demand for fresh identity-provider evidence."""

    acr: tuple[str, ...] = s.member(_names)
    max_age_s: int = s.member(s.integer(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The rules of one tool. Absent members have the defaults of the properties below."""

    allowed: bool = s.member(s.flag)
    required_before: tuple[str, ...] | None = s.optional(_names)
    step_up_approvals: int | None = s.optional(s.integer(0, 64))
    two_person_rule: bool | None = s.optional(s.flag)
    approver_constraints: tuple[str, ...] | None = s.optional(s.list_of(s.role_name, minimum=1))
    requires_proof_bundle_reference: bool | None = s.optional(s.flag)
    requires_plan_fingerprint_match: bool | None = s.optional(s.flag)
    change_types: tuple[str, ...] | None = s.optional(_names)
    environments: tuple[str, ...] | None = s.optional(_names)
    approval_ttl_s: int | None = s.optional(s.integer(1, MAX_LIFETIME_S))
    step_up: StepUpRule | None = s.optional(s.object_of(StepUpRule))

    @property
    def approvals_needed(self) -> int:
        """max(step_up_approvals, 2 if two_person_rule, number of approver_constraints)."""
        two = 2 if self.two_person_rule else 0
        return max(self.step_up_approvals or 0, two, len(self.approver_constraints or ()))

    @property
    def ttl_s(self) -> int:
        """How old an approval may be at the decision."""
        return 86_400 if self.approval_ttl_s is None else self.approval_ttl_s

    @property
    def leaves_decision(self) -> bool:
        """Whether every use is a logged decision: it needs approvals, a plan match or a bundle."""
        plan = self.requires_plan_fingerprint_match
        return bool(self.approvals_needed or plan or self.requires_proof_bundle_reference)


def _tools(value: object, where: str) -> dict[str, Tool]:
    if not isinstance(value, dict):
        s.refuse(where, "an object", value)
    return {_tool_name(name, where): s.decode(Tool, item, f"{where}.{name[:64]}") for name, item in value.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy."""

    wpc_version: str = s.member(s.one_of("1"))
    policy_name: str = s.member(s.text)
    supersedes: str | None = s.optional(_policy_address)
    valid_from: int | None = s.optional(s.any_time)
    valid_until: int | None = s.optional(s.any_time)
    enforcement: Enforcement = s.member(s.object_of(Enforcement))
    token_requirements: TokenRequirements = s.member(s.object_of(TokenRequirements))
    models: Models | None = s.optional(s.object_of(Models))
    budgets: Budgets | None = s.optional(s.object_of(Budgets))
    egress: Egress | None = s.optional(s.object_of(Egress))
    tools: dict[str, Tool] = s.member(_tools)

    def is_valid_at(self, time_ns: int) -> bool:
        """Whether the policy is valid at `time_ns`; the interval is half-open."""
        return (self.valid_from is None or self.valid_from <= time_ns) and (
            self.valid_until is None or time_ns < self.valid_until
        )

    def required_steps(self, action: str) -> list[str]:
        """The tools that must have been done before `action`."""
        return [name for name, tool in self.tools.items() if action in (tool.required_before or ())]


@dataclass(frozen=True, slots=True)
class PublishedPolicy:
    """A policy as it stands in an entry: the rules, or None for a Clawsig policy without our block."""

    rules: Policy | None

    def refs_with(self, payload_hash_b64u: str) -> dict[str, str]:
        """`policy` (its own payload hash) and `target` (what it supersedes)."""
        refs = {"policy": payload_hash_b64u}
        if self.rules is not None and self.rules.supersedes is not None:
            refs["target"] = "policy:" + self.rules.supersedes.removeprefix("b64u:")
        return refs


_CLAWSIG_MEMBERS = frozenset(
    {
        "policy_version",
        "policy_id",
        "issuer_did",
        "allowed_providers",
        "allowed_models",
        "minimum_model_identity_tier",
        "required_audit_packs",
        "redaction_rules",
        "receipt_privacy_mode",
        "egress_allowlist",
        "metadata",
    }
)


def read_policy(value: Mapping[str, object]) -> PublishedPolicy:
    """The policy in a parsed payload. Raises Refused POLICY_VERSION_UNKNOWN or POLICY_INVALID."""
    try:
        if "wpc_version" not in value and "policy_version" in value:
            return PublishedPolicy(_read_clawsig(value))
        _check_version(value)
        return PublishedPolicy(_read_rules(value))
    except Refused as error:
        if error.code.startswith("POLICY_"):
            raise
        raise Refused("POLICY_INVALID", error.detail, expected=error.expected, found=error.found) from None


def _read_clawsig(value: Mapping[str, object]) -> Policy | None:
    """A Clawsig policy carries ours under metadata.change_management, there without supersedes."""
    if value.get("policy_version") != "1":
        raise Refused("POLICY_VERSION_UNKNOWN", "policy_version", expected='"1"')
    for name in value:
        if name not in _CLAWSIG_MEMBERS:
            s.refuse(name[:64], "no such member")
    s.text(value.get("policy_id"), "policy_id")
    s.did(value.get("issuer_did"), "issuer_did")
    metadata = value.get("metadata", {})
    if not isinstance(metadata, dict):
        s.refuse("metadata", "an object", metadata)
    block = metadata.get("change_management")
    if block is None:
        return None
    if not isinstance(block, dict) or "supersedes" in block:
        s.refuse("metadata.change_management", "an object without supersedes")
    _check_version(block)
    return _read_rules(block)


def _check_version(value: Mapping[str, object]) -> None:
    if value.get("wpc_version") != "1":
        raise Refused("POLICY_VERSION_UNKNOWN", "wpc_version", expected='"1"')


def _read_rules(value: Mapping[str, object]) -> Policy:
    policy = s.decode(Policy, value, "policy")
    if len(policy.policy_name) > 128:
        s.refuse("policy_name", "1 to 128 characters")
    if not policy.enforcement.fail_closed:
        s.refuse("enforcement.fail_closed", "true")
    for name, tool in policy.tools.items():
        if tool.requires_proof_bundle_reference and name in (SIMULATE, EXECUTE):
            s.refuse(f"tools.{name}.requires_proof_bundle_reference", "false: no bundle exists yet")
        if tool.required_before and name != SIMULATE and not tool.leaves_decision:
            s.refuse(f"tools.{name}.required_before", "a tool that leaves a logged decision")
    close = policy.tools.get(CLOSE)
    bundle_needed = policy.enforcement.require_proof_bundle and close is not None and close.allowed
    if close is not None and bundle_needed and not close.requires_proof_bundle_reference:
        s.refuse(f"tools.{CLOSE}.requires_proof_bundle_reference", "true: require_proof_bundle is")
    return policy
