"""Two claims that a bundle may carry: rate limits, and selective disclosures. Checked, never relied on."""

# ruff: noqa: RUF009 - s.member and s.optional are field specifiers, evaluated once on purpose

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifier import schema as s
from verifier.encodings import hash_b64u as compute_hash
from verifier.errors import Refused
from verifier.jsonforms import canonicalize


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitClaim:
    """What an agent says that it consumed within a window of time."""

    claim_version: str = s.member(s.one_of("1"))
    scope: str = s.member(s.one_of("agent", "model", "tool"))
    scope_key: str = s.member(s.text)
    window_start: int = s.member(s.any_time)
    window_end: int = s.member(s.any_time)
    max_requests: float = s.member(s.amount)
    observed_requests: float = s.member(s.amount)
    max_tokens_input: float | None = s.optional(s.amount)
    observed_tokens_input: float | None = s.optional(s.amount)
    max_tokens_output: float | None = s.optional(s.amount)
    observed_tokens_output: float | None = s.optional(s.amount)
    run_id: str | None = s.optional(s.text)


def check_rate_limits(claims: Sequence[RateLimitClaim], run_id: str | None) -> None:
    """Check windows and amounts, and that a run that is named is the chain's; a window may be an instant.

    Raises Refused RATE_LIMIT_WINDOW_INVALID, _EXCEEDED or _CLAIM_INCONSISTENT.
    """
    for position, claim in enumerate(claims):
        where = f"rate_limit_claims[{position}]"
        if claim.window_start > claim.window_end:
            raise Refused("RATE_LIMIT_WINDOW_INVALID", where, expected="window_start not after window_end")
        for maximum, observed in (
            (claim.max_requests, claim.observed_requests),
            (claim.max_tokens_input, claim.observed_tokens_input),
            (claim.max_tokens_output, claim.observed_tokens_output),
        ):
            if (maximum is None) != (observed is None):
                raise Refused("RATE_LIMIT_CLAIM_INCONSISTENT", where, expected="maximum and observed together")
            if maximum is not None and observed is not None and observed > maximum:
                raise Refused("RATE_LIMIT_EXCEEDED", where, expected=f"at most {maximum:g}")
        if run_id is not None and claim.run_id not in (None, run_id):
            raise Refused("RATE_LIMIT_CLAIM_INCONSISTENT", f"{where}.run_id", expected=run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosedLeaf:
    """A disclosed value with its declared type."""

    type: str = s.member(s.one_of("string", "number", "boolean", "null", "array", "object"))
    value: object = s.member(s.anything)
    salt_b64u: str = s.member(s.loose_hash)


def _leaves(value: object, where: str) -> dict[str, DisclosedLeaf]:
    if not isinstance(value, dict):
        s.refuse(where, "an object", value)
    return {name: s.decode(DisclosedLeaf, item, f"{where}.{name[:64]}") for name, item in value.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """A selective disclosure of a tool's arguments or result."""

    disclosure_algorithm: str = s.member(s.one_of("vir_v2_typed_lexicographical"))
    merkle_root_b64u: str = s.member(s.loose_hash)
    redacted_leaf_hashes_b64u: tuple[str, ...] = s.member(s.list_of(s.loose_hash))
    disclosed_leaves: dict[str, DisclosedLeaf] = s.member(_leaves)


def check_disclosure(disclosure: Disclosure | None, hash_b64u: str, where: str) -> None:
    """Check that each leaf has its declared type, and that the leaves lead to the root, which is the receipt's hash.

    A leaf is the SHA-256 of path ":" and the RFC 8785 form of `{salt_b64u, type, value}`; the root is the SHA-256
    of the RFC 8785 form of the sorted leaf hashes, disclosed and redacted together.
    Raises Refused DISCLOSURE_ROOT_MISMATCH or DISCLOSURE_TYPE_MISMATCH.
    """
    if disclosure is None:
        return
    leaves = list(disclosure.redacted_leaf_hashes_b64u)
    for name, leaf in disclosure.disclosed_leaves.items():
        if _type_name(leaf.value) != leaf.type:
            raise Refused("DISCLOSURE_TYPE_MISMATCH", f"{where}.{name[:64]}", expected=leaf.type)
        document = {"salt_b64u": leaf.salt_b64u, "type": leaf.type, "value": leaf.value}
        leaves.append(compute_hash(name.encode("utf-8") + b":" + canonicalize(document)))
    root = compute_hash(canonicalize(sorted(leaves)))
    if not root == disclosure.merkle_root_b64u == hash_b64u:
        raise Refused("DISCLOSURE_ROOT_MISMATCH", where, expected=root, found=hash_b64u)


def _type_name(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "number", float: "number", list: "array", dict: "object"}
    return names[type(value)]
