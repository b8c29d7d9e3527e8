"""Clawsig's own policy (WPC v1), which may carry a change-management policy in its metadata."""

# ruff: noqa: RUF009 - s.member and s.optional are field specifiers, evaluated once on purpose

from __future__ import annotations

from dataclasses import dataclass

from verifier import schema as s


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionRule:
    """What a gateway redacts (Clawsig)."""

    path: str = s.member(s.text_of(1, 512))
    action: str = s.member(s.one_of("remove", "hash", "mask"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClawsigPolicy:
    """A Clawsig WPC v1; only `metadata.change_management` is judged."""

    policy_version: str = s.member(s.one_of("1"))
    policy_id: str = s.member(s.text_of(1, 128))
    issuer_did: str = s.member(s.matching(r"did:[\s\S]{0,252}", "a DID of at most 256 characters"))
    allowed_providers: tuple[str, ...] | None = s.optional(s.list_of(s.one_of("openai", "anthropic", "google"), maximum=16))
    allowed_models: tuple[str, ...] | None = s.optional(s.list_of(s.line, maximum=256))
    minimum_model_identity_tier: str | None = s.optional(
        s.one_of("closed_opaque", "closed_provider_manifest", "openweights_hashable", "tee_measured")
    )
    required_audit_packs: tuple[str, ...] | None = s.optional(
        s.list_of(s.matching(r"[A-Za-z0-9_-]{8,128}", "8 to 128 characters of base64url"), maximum=64)
    )
    redaction_rules: tuple[RedactionRule, ...] | None = s.optional(s.list_of(s.object_of(RedactionRule), maximum=256))
    receipt_privacy_mode: str | None = s.optional(s.one_of("hash_only", "encrypted"))
    egress_allowlist: tuple[str, ...] | None = s.optional(s.list_of(s.line, maximum=256))
    metadata: dict[str, object] | None = s.optional(s.free_object())
