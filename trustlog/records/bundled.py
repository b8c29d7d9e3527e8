"""What stands in a proof bundle beside its events and gateway receipts (Clawsig proof_bundle v1).

These are the agent's own statements: raw objects that only the bundle's signature covers. They prove nothing that the agent's
word does not; two-person rules rest on approvals that people signed and that are logged by themselves. The schemas are closed:
the members that the published schemas list for the object in a bundle and for the receipt of that name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from trustlog.errors import Refused
from trustlog.records.fields import UNSET, Instant, LooseHash, Number, Struct, Text, UnsetType
from trustlog.records.receipts import NO_BINDING, ReceiptBinding

Sha256 = Literal["SHA-256"]
DidText = Annotated[str, Meta(pattern=r"^did:")]


class ResourceManifest(Struct, frozen=True, kw_only=True):
    """A reference to the run's resource manifest, by hash. The document is elsewhere and not looked at."""

    urm_version: Literal["1"]
    urm_id: Text
    resource_type: Text
    resource_hash_b64u: LooseHash
    metadata: dict[str, Any] | UnsetType = UNSET


class BundledSideEffect(Struct, frozen=True, kw_only=True):
    """An effect outside, as the agent states it."""

    receipt_version: Literal["1"]
    receipt_id: Text
    effect_class: Literal["network_egress", "filesystem_write", "external_api_write"]
    hash_algorithm: Sha256
    agent_did: DidText
    timestamp: Instant
    target_digest: str | UnsetType = UNSET
    request_digest: str | UnsetType = UNSET
    response_digest: str | UnsetType = UNSET
    target_hash_b64u: Text | UnsetType = UNSET
    request_hash_b64u: Text | UnsetType = UNSET
    response_hash_b64u: Text | UnsetType = UNSET
    response_status: Literal["success", "error", "timeout", "denied"] | UnsetType = UNSET
    latency_ms: Number | UnsetType = UNSET
    vendor_id: str | UnsetType = UNSET
    bytes_written: Number | UnsetType = UNSET
    binding: ReceiptBinding = NO_BINDING


class BundledApproval(Struct, frozen=True, kw_only=True):
    """An approval, as the agent states it. It never counts as one."""

    receipt_version: Literal["1"]
    receipt_id: Text
    approval_type: Literal["explicit_approve", "explicit_deny", "auto_approve", "timeout_deny"]
    agent_did: DidText
    timestamp: Instant
    approver_subject: str | UnsetType = UNSET
    approver_method: Literal["ui_click", "cli_confirm", "api_call", "policy_auto", "timeout"] | UnsetType = UNSET
    scope_hash_b64u: str | UnsetType = UNSET
    scope_summary: Annotated[str, Meta(max_length=1024)] | UnsetType = UNSET
    plan_hash_b64u: str | UnsetType = UNSET
    policy_hash_b64u: str | UnsetType = UNSET
    capability_minted: bool | UnsetType = UNSET
    minted_capability_id: str | UnsetType = UNSET
    minted_capability_ttl_seconds: Number | UnsetType = UNSET
    evidence_required: list[str] | UnsetType = UNSET
    hash_algorithm: Sha256 | UnsetType = UNSET
    binding: ReceiptBinding = NO_BINDING


class BundledDelegation(Struct, frozen=True, kw_only=True):
    """A task that the agent gave to another agent, whose bundle it names by hash."""

    receipt_version: Literal["1"]
    receipt_id: Text
    delegator_did: DidText
    delegate_did: DidText
    task_description_hash_b64u: LooseHash
    delegate_bundle_hash_b64u: LooseHash
    hash_algorithm: Sha256
    delegated_at: Instant
    delegation_policy: str | UnsetType = UNSET
    completed_at: Instant | UnsetType = UNSET
    binding: ReceiptBinding = NO_BINDING

    @property
    def agent_did(self) -> str:
        """Whose statement it is: the delegator's."""
        return self.delegator_did


class RateLimitClaim(Struct, frozen=True, kw_only=True):
    """How much of a limit the agent says it used within a window of time."""

    claim_version: Literal["1"]
    scope: Literal["agent", "model", "tool"]
    scope_key: Text
    window_start: Instant
    window_end: Instant
    max_requests: Number
    observed_requests: Number
    max_tokens_input: Number | UnsetType = UNSET
    observed_tokens_input: Number | UnsetType = UNSET
    max_tokens_output: Number | UnsetType = UNSET
    observed_tokens_output: Number | UnsetType = UNSET
    run_id: Text | UnsetType = UNSET


def check_rate_limit_claim(claim: RateLimitClaim, run_id: str | None, param: str) -> None:
    """Check a claim against itself and the run; `param` is its path.

    Raises Refused: ``RATE_LIMIT_WINDOW_INVALID``, ``RATE_LIMIT_EXCEEDED``, ``RATE_LIMIT_CLAIM_INCONSISTENT`` (a limit without
    its count, a count without its limit, another run).
    """
    if claim.window_start.ns > claim.window_end.ns:
        expected, found = f"at most {claim.window_end.text}", claim.window_start.text
        detail = "the window ends before it starts"
        raise Refused("RATE_LIMIT_WINDOW_INVALID", detail, param=f"{param}.window_start", expected=expected, found=found)
    _check_use(claim.max_requests, claim.observed_requests, f"{param}.observed_requests")
    _check_use(claim.max_tokens_input, claim.observed_tokens_input, f"{param}.observed_tokens_input")
    _check_use(claim.max_tokens_output, claim.observed_tokens_output, f"{param}.observed_tokens_output")
    if run_id is not None and claim.run_id not in (UNSET, run_id):
        detail = "the claim is about another run"
        raise Refused("RATE_LIMIT_CLAIM_INCONSISTENT", detail, param=f"{param}.run_id", expected=run_id, found=claim.run_id)


def _check_use(most: float | UnsetType, observed: float | UnsetType, param: str) -> None:
    if isinstance(most, UnsetType) and isinstance(observed, UnsetType):
        return
    if isinstance(most, UnsetType) or isinstance(observed, UnsetType):
        detail = "a limit and its count go together"
        raise Refused("RATE_LIMIT_CLAIM_INCONSISTENT", detail, param=param, expected="both", found="one")
    if observed > most:
        detail = "more was used than the limit allows"
        raise Refused("RATE_LIMIT_EXCEEDED", detail, param=param, expected=f"at most {most}", found=observed)
