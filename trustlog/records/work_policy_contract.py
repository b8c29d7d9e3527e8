"""A Work Policy Contract for change management: its closed schema.

What is published is its own RFC 8785 form without ``policy_hash``, so payload hash, policy hash, address, pin and ref are one
value. A policy has no header members; ``wpc_version`` tells it from a Clawsig WPC v1 (``policy_version``), which may carry the
same block under ``metadata["change_management"]``, there without ``policy_hash`` and ``supersedes``.

What the rules mean is in :mod:`trustlog.policy`; here is what can be written.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from trustlog.errors import Refused
from trustlog.formats.jsontext import canonicalize, describe, parse_json
from trustlog.records.fields import UNSET, Instant, Line, Role, Struct, UnsetType, convert_record
from trustlog.records.kind import Kind

PolicyAddress = Annotated[str, Meta(pattern=r"^b64u:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]
ToolName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
Count = Annotated[int, Meta(ge=0, le=64)]
Budget = Annotated[int, Meta(ge=1, le=2**53 - 1)]
TimeToLive = Annotated[int, Meta(ge=1, le=366 * 86400)]


class Enforcement(Struct, frozen=True, kw_only=True):
    """``fail_closed`` must be true: there is no policy that opens when evidence is missing."""

    fail_closed: bool
    require_gateway_receipts: bool
    require_proof_bundle: bool


class TokenRequirements(Struct, frozen=True, kw_only=True):
    """What the job's token must be. ``optional_policy_hash_pinning`` false: a pin is required."""

    require_cst: bool
    optional_policy_hash_pinning: bool
    job_scoped_binding: bool
    max_ttl_s: TimeToLive
    cst_scope_hash: PolicyAddress | UnsetType = UNSET
    proof_of_possession: bool = False


class Models(Struct, frozen=True, kw_only=True):
    """For the model proxy: both a provider and a model pattern must match."""

    providers: Annotated[list[Line], Meta(min_length=1, max_length=64)]
    models: Annotated[list[Line], Meta(min_length=1, max_length=256)]


class Budgets(Struct, frozen=True, kw_only=True):
    """Per job, for the model proxy."""

    max_calls: Budget | UnsetType = UNSET
    max_tokens: Budget | UnsetType = UNSET


class Egress(Struct, frozen=True, kw_only=True):
    """Informational unless something enforces it."""

    hosts: Annotated[list[Line], Meta(min_length=1, max_length=256)]


class StepUpDemand(Struct, frozen=True, kw_only=True):
    """Fresh identity-provider evidence for each approval."""

    acr: Annotated[list[Line], Meta(min_length=1, max_length=16)]
    max_age_s: TimeToLive


class Tool(Struct, frozen=True, kw_only=True):
    """What one action may do and what it needs.

    ``required_before`` names the tools that may run only after this one was done. Absent lists restrict nothing; an explicit
    empty list is invalid.
    """

    allowed: bool
    required_before: Annotated[list[ToolName], Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    step_up_approvals: Count = 0
    two_person_rule: bool = False
    approver_constraints: Annotated[list[Role], Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    requires_proof_bundle_reference: bool = False
    requires_plan_fingerprint_match: bool | UnsetType = UNSET
    change_types: Annotated[list[Line], Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    environments: Annotated[list[Line], Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    approval_ttl_s: TimeToLive = 86400
    step_up: StepUpDemand | UnsetType = UNSET

    @property
    def constraints(self) -> list[str]:
        """The roles that approvers must cover, one different person each."""
        return [] if isinstance(self.approver_constraints, UnsetType) else self.approver_constraints

    @property
    def approvals_needed(self) -> int:
        """How many different people must approve."""
        return max(self.step_up_approvals, 2 if self.two_person_rule else 0, len(self.constraints))

    @property
    def plan_match(self) -> bool:
        """Whether the plan fingerprint must be that of a simulation: true where approvals are needed unless said otherwise."""
        said = self.requires_plan_fingerprint_match
        return self.approvals_needed > 0 if isinstance(said, UnsetType) else said

    @property
    def decision_is_logged(self) -> bool:
        """Whether an allow of this tool is a log entry first."""
        return self.approvals_needed > 0 or self.plan_match or self.requires_proof_bundle_reference


class ChangeManagement(Struct, frozen=True, kw_only=True):
    """The block that the gate enforces."""

    wpc_version: Literal["1"]
    policy_name: Annotated[str, Meta(min_length=1, max_length=128)]
    enforcement: Enforcement
    token_requirements: TokenRequirements
    tools: Annotated[dict[ToolName, Tool], Meta(max_length=256)]
    supersedes: PolicyAddress | UnsetType = UNSET
    valid_from: Instant | UnsetType = UNSET
    valid_until: Instant | UnsetType = UNSET
    models: Models | UnsetType = UNSET
    budgets: Budgets | UnsetType = UNSET
    egress: Egress | UnsetType = UNSET

    @property
    def superseded_policy(self) -> str | None:
        """The payload hash of the policy that this one replaces."""
        return None if isinstance(self.supersedes, UnsetType) else self.supersedes.removeprefix("b64u:")


class RedactionRule(Struct, frozen=True, kw_only=True):
    """Clawsig WPC v1."""

    path: Annotated[str, Meta(min_length=1, max_length=512)]
    action: Literal["remove", "hash", "mask"]


class ClawsigPolicy(Struct, frozen=True, kw_only=True):
    """A Clawsig WPC v1; only ``metadata["change_management"]`` concerns the gate."""

    policy_version: Literal["1"]
    policy_id: Annotated[str, Meta(min_length=1, max_length=128)]
    issuer_did: Annotated[str, Meta(pattern="^did:", min_length=4, max_length=256)]
    allowed_providers: Annotated[list[Literal["openai", "anthropic", "google"]], Meta(max_length=16)] | UnsetType = UNSET
    allowed_models: Annotated[list[Line], Meta(max_length=256)] | UnsetType = UNSET
    minimum_model_identity_tier: (
        Literal["closed_opaque", "closed_provider_manifest", "openweights_hashable", "tee_measured"] | UnsetType
    ) = UNSET
    required_audit_packs: (
        Annotated[list[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,128}\Z")]], Meta(max_length=64)] | UnsetType
    ) = UNSET
    redaction_rules: Annotated[list[RedactionRule], Meta(max_length=256)] | UnsetType = UNSET
    receipt_privacy_mode: Literal["hash_only", "encrypted"] | UnsetType = UNSET
    egress_allowlist: Annotated[list[Line], Meta(max_length=256)] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class WorkPolicyContract(Struct, frozen=True, kw_only=True):
    """A policy as it was read; ``rules`` is None for a Clawsig policy without a change-management block."""

    rules: ChangeManagement | None
    clawsig: ClawsigPolicy | None = None


def read_policy(value: Any, text: bytes) -> WorkPolicyContract:
    """The policy that a payload is.

    Raises ``POLICY_VERSION_UNKNOWN``, ``POLICY_NOT_CANONICAL`` (the text is not its own RFC 8785 form) or ``POLICY_INVALID``.
    """
    if not isinstance(value, dict):
        raise Refused("POLICY_INVALID", "a policy is an object", param="payload", expected="object", found=describe(value))
    _check_version(value, ("wpc_version", "policy_version"), "payload")
    if canonicalize(value) != text:
        raise Refused(
            "POLICY_NOT_CANONICAL",
            "the policy's text is not its own RFC 8785 form",
            param="payload",
            expected="RFC 8785: sorted names, no white space",
            found=text[:80].decode("utf-8", "replace"),
        )
    if "wpc_version" in value:
        return WorkPolicyContract(rules=_read_rules(value, "payload"))
    clawsig = convert_record(value, ClawsigPolicy, code="POLICY_INVALID")
    metadata = {} if isinstance(clawsig.metadata, UnsetType) else clawsig.metadata
    if "change_management" not in metadata:
        return WorkPolicyContract(rules=None, clawsig=clawsig)
    block, where = metadata["change_management"], "payload.metadata.change_management"
    if isinstance(block, dict):
        _check_version(block, ("wpc_version",), where)
    rules = _read_rules(block, where)
    if not isinstance(rules.supersedes, UnsetType):
        _invalid("payload.metadata.change_management.supersedes", "absent inside a Clawsig policy", "present")
    return WorkPolicyContract(rules=rules, clawsig=clawsig)


def _check_version(value: dict[str, Any], names: tuple[str, ...], param: str) -> None:
    """The first of `names` that is there is the version, and says "1"."""
    name = next((name for name in names if name in value), names[0])
    if value.get(name) != "1":
        raise Refused(
            "POLICY_VERSION_UNKNOWN",
            f"{name} is not known",
            param=f"{param}.{name}",
            expected='wpc_version "1", or policy_version "1" of Clawsig',
            found=describe(value[name]) if name in value else "absent",
        )


def _read_rules(value: Any, param: str) -> ChangeManagement:
    try:
        rules = convert_record(value, ChangeManagement, code="POLICY_INVALID", param=param)
    except Refused:
        _name_tool_at_fault(value, param)
        raise
    if not rules.enforcement.fail_closed:
        _invalid(f"{param}.enforcement.fail_closed", "true", "false")
    for name, tool in rules.tools.items():
        _check_tool(name, tool, rules, f"{param}.tools.{name}")
    start, end = rules.valid_from, rules.valid_until
    if isinstance(start, Instant) and isinstance(end, Instant) and end.ns <= start.ns:
        _invalid(f"{param}.valid_until", f"after {start.text}", end.text)
    return rules


def _name_tool_at_fault(value: Any, param: str) -> None:
    """Raise the refusal of the tool that breaks the schema, which names it: that of the whole policy cannot."""
    tools = value.get("tools") if isinstance(value, dict) else None
    for name, tool in tools.items() if isinstance(tools, dict) else ():
        convert_record(tool, Tool, code="POLICY_INVALID", param=f"{param}.tools.{name}")


def _check_tool(name: str, tool: Tool, rules: ChangeManagement, param: str) -> None:
    if tool.requires_proof_bundle_reference and name in ("change.simulate", "change.execute"):
        _invalid(f"{param}.requires_proof_bundle_reference", "absent: no bundle exists before the execution", "true")
    closes_without_bundle = name == "ticket.close" and tool.allowed and not tool.requires_proof_bundle_reference
    if rules.enforcement.require_proof_bundle and closes_without_bundle:
        expected = "true, because enforcement.require_proof_bundle is"
        _invalid(f"{param}.requires_proof_bundle_reference", expected, "false")
    requires_before = not isinstance(tool.required_before, UnsetType)
    if requires_before and name != "change.simulate" and not tool.decision_is_logged:
        expected = "absent, because this tool leaves no logged decision that could prove it was done"
        _invalid(f"{param}.required_before", expected, "present")


def _invalid(param: str, expected: str, found: str) -> None:
    raise Refused("POLICY_INVALID", f"{param} makes the policy invalid", param=param, expected=expected, found=found)


def policy_from_text(text: bytes) -> WorkPolicyContract:
    """The policy that a payload's exact text is."""
    return read_policy(parse_json(text, "payload"), text)


def _refs(record: WorkPolicyContract, payload_hash: str) -> dict[str, object]:
    superseded = record.rules.superseded_policy if record.rules is not None else None
    return {"policy": payload_hash, "target": None if superseded is None else f"policy:{superseded}"}


WORK_POLICY_CONTRACT: Final = Kind(
    "work_policy_contract",
    read_policy,
    ("policy_issuers",),
    refs=_refs,
    signed_at=lambda _record: None,
)

__all__ = ["WORK_POLICY_CONTRACT", "ChangeManagement", "Tool", "WorkPolicyContract", "policy_from_text", "read_policy"]
