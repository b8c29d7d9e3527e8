"""Revocations: who may revoke what, and from which index on it is void."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from verifier.entry import ref_value
from verifier.errors import Refused
from verifier.trust import Role, TrustPolicy


class Revocations:
    """Targets and the indexes at which they were revoked. A target is kept as its ref value."""

    def __init__(self, trust: TrustPolicy) -> None:
        self._trust = trust
        self._indexes: dict[str, list[int]] = {}

    def add(self, index: int, target: str, signer_did: str, *, signers_of: Callable[[str], Iterable[str]]) -> None:
        """Read a revocation of `target` (text or ref value). Raises Refused REVOCATION_NOT_PERMITTED.

        `signers_of` gives those who signed an approval, by its payload hash.
        """
        if not self._may_revoke(target, signer_did, index, signers_of):
            raise Refused("REVOCATION_NOT_PERMITTED", "target", expected="who may revoke it", found=target[:96])
        self._indexes.setdefault(ref_value(target), []).append(index)

    def first_below(self, target: str, index: int) -> int | None:
        """The lowest index below `index` at which `target` was revoked, or None."""
        found = self._indexes.get(ref_value(target), ()) if self._indexes else ()
        return found[0] if found and found[0] < index else None

    def _may_revoke(self, target: str, signer: str, index: int, signers_of: Callable[[str], Iterable[str]]) -> bool:
        kind, _, value = target.partition(":")
        if kind == "policy":
            return self._trust.has_role(signer, Role.POLICY_ISSUER, index)
        if kind in ("token", "job", "sha256"):  # a hashed ref can only be a job with a long id
            return self._trust.has_role(signer, Role.TOKEN_ISSUER, index)
        if self._trust.has_role(signer, Role.ROSTER_AUTHORITY, index):
            return kind in ("approval", "key")
        if kind == "approval":
            return signer in signers_of(value)
        return kind == "key" and value == signer
