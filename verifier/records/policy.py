"""The change-management policy (WPC): which tool may do what, after which steps, with whose approval.

Closed: an unknown member, an unknown version or an unreadable value makes the policy invalid.
"""

# ruff: noqa: RUF009 - s.member and s.optional are field specifiers, evaluated once on purpose

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from verifier import schema as s
from verifier.errors import Refused
from verifier.jsonforms import canonicalize
from verifier.records.clawsig_policy import ClawsigPolicy

_lines = s.list_of(s.line, minimum=1, maximum=64)
_many_lines = s.list_of(s.line, minimum=1, maximum=256)
_policy_address = s.matching("b64u:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", "b64u:<43>")
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

    providers: tuple[str, ...] = s.member(_lines)
    models: tuple[str, ...] = s.member(_many_lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """How much a job may consume; enforced by the model proxy."""

    max_calls: int | None = s.optional(s.integer(1))
    max_tokens: int | None = s.optional(s.integer(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """Informational."""

    hosts: tuple[str, ...] = s.member(_many_lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUpRule:
    """A demand for fresh identity-provider evidence."""

    acr: tuple[str, ...] = s.member(s.list_of(s.line, minimum=1, maximum=16))
    max_age_s: int = s.member(s.integer(1, MAX_LIFETIME_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The rules of one tool. Absent members have the defaults of the properties below."""

    allowed: bool = s.member(s.flag)
    required_before: tuple[str, ...] | None = s.optional(s.list_of(s.tool_name, minimum=1, maximum=64))
    step_up_approvals: int | None = s.optional(s.integer(0, 64))
    two_person_rule: bool | None = s.optional(s.flag)
    approver_constraints: tuple[str, ...] | None = s.optional(s.list_of(s.role_name, minimum=1, maximum=64))
    requires_proof_bundle_reference: bool | None = s.optional(s.flag)
    requires_plan_fingerprint_match: bool | None = s.optional(s.flag)
    change_types: tuple[str, ...] | None = s.optional(_lines)
    environments: tuple[str, ...] | None = s.optional(_lines)
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
    if len(value) > 256:
        s.refuse(where, "at most 256 tools")
    return {s.tool_name(name, where): s.decode(Tool, item, f"{where}.{name[:64]}") for name, item in value.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy."""

    wpc_version: str = s.member(s.one_of("1"))
    policy_name: str = s.member(s.text_of(1, 128))
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
    """A policy as it stands in an entry: the rules, or None for a Clawsig policy without our block.

    `unjudged` are the members of it that demand what no evidence of a change shows.
    """

    rules: Policy | None
    unjudged: tuple[str, ...] = ()

    def refs_with(self, payload_hash_b64u: str) -> dict[str, str]:
        """`policy` (its own payload hash) and `target` (what it supersedes)."""
        refs = {"policy": payload_hash_b64u}
        if self.rules is not None and self.rules.supersedes is not None:
            refs["target"] = "policy:" + self.rules.supersedes.removeprefix("b64u:")
        return refs


_UNJUDGED_CLAWSIG = frozenset(field.name for field in fields(ClawsigPolicy)) - {
    "policy_version",
    "policy_id",
    "issuer_did",
    "metadata",
}


def read_policy(value: Mapping[str, object], data: bytes) -> PublishedPolicy:
    """The policy in a parsed payload; `data` is its text.

    Raises Refused POLICY_VERSION_UNKNOWN, POLICY_NOT_CANONICAL or POLICY_INVALID.
    """
    is_clawsig = "wpc_version" not in value and "policy_version" in value
    _check_version(value, "policy_version" if is_clawsig else "wpc_version")
    if canonicalize(dict(value)) != data:
        raise Refused("POLICY_NOT_CANONICAL", "payload", expected="its own RFC 8785 form")
    try:
        rules = _read_clawsig(value) if is_clawsig else _read_rules(value)
    except Refused as error:
        if error.code.startswith("POLICY_"):
            raise
        raise Refused("POLICY_INVALID", error.detail, expected=error.expected, found=error.found) from None
    unjudged = [name for name in value if is_clawsig and name in _UNJUDGED_CLAWSIG]
    return PublishedPolicy(rules, (*unjudged, *(["egress"] if rules is not None and rules.egress is not None else [])))


def _read_clawsig(value: Mapping[str, object]) -> Policy | None:
    """A Clawsig policy carries ours under metadata.change_management, there without supersedes."""
    metadata = s.decode(ClawsigPolicy, value, "policy").metadata or {}
    if "change_management" not in metadata:
        return None
    block = metadata["change_management"]
    if not isinstance(block, dict):
        s.refuse("metadata.change_management", "an object", block)
    _check_version(block, "wpc_version")
    rules = _read_rules(block)
    if rules.supersedes is not None:
        s.refuse("metadata.change_management.supersedes", "absent in a Clawsig policy")
    return rules


def _check_version(value: Mapping[str, object], name: str) -> None:
    if value.get(name) != "1":
        raise Refused("POLICY_VERSION_UNKNOWN", name, expected='"1"')


def _read_rules(value: Mapping[str, object]) -> Policy:
    policy = s.decode(Policy, value, "policy")
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
    if policy.valid_from is not None and policy.valid_until is not None and policy.valid_until <= policy.valid_from:
        s.refuse("valid_until", "after valid_from")
    return policy
