"""Which policies are in force at an index, and which were superseded."""

from __future__ import annotations

from verifier.records.policy import PublishedPolicy


class Policies:
    """A policy is in force from the index of the k-th different trusted signer of the same payload."""

    def __init__(self, *, quorum: int) -> None:
        self._quorum = quorum
        self._signers: dict[str, set[str]] = {}
        self._since: dict[str, int] = {}
        self._superseded: dict[str, int] = {}

    def add(self, index: int, policy: PublishedPolicy, *, payload_hash_b64u: str, signer_did: str) -> None:
        """Read one publication."""
        signers = self._signers.setdefault(payload_hash_b64u, set())
        signers.add(signer_did)
        if len(signers) < self._quorum or payload_hash_b64u in self._since:
            return
        self._since[payload_hash_b64u] = index
        if policy.rules is not None and policy.rules.supersedes is not None:
            self._superseded.setdefault(policy.rules.supersedes.removeprefix("b64u:"), index)

    def in_force_since(self, payload_hash_b64u: str) -> int | None:
        """The index at which the policy came into force, or None."""
        return self._since.get(payload_hash_b64u)

    def superseded_below(self, payload_hash_b64u: str, index: int) -> int | None:
        """The index below `index` at which a policy that supersedes this one came into force, or None."""
        at = self._superseded.get(payload_hash_b64u)
        return at if at is not None and at < index else None
