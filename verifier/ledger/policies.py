"""Which policies are in force at an index, and which were superseded."""

from __future__ import annotations

from verifier.records.policy import PublishedPolicy


class Policies:
    """A policy is in force from the index of the k-th different trusted signer of the same payload."""

    def __init__(self, *, quorum: int) -> None:
        self._quorum = quorum
        self._signers: dict[str, set[str]] = {}
        self._unread: dict[str, set[str]] = {}
        self._since: dict[str, int] = {}
        self._superseded: dict[str, int] = {}

    def add(self, index: int, policy: PublishedPolicy, *, payload_hash_b64u: str, signer_did: str) -> None:
        """Read one publication."""
        signers = self._signers.setdefault(payload_hash_b64u, set())
        signers.add(signer_did)
        if len(signers) >= self._quorum:
            self._since.setdefault(payload_hash_b64u, index)
        if policy.rules is not None and policy.rules.supersedes is not None:
            self._supersede(index, policy.rules.supersedes.removeprefix("b64u:"), payload_hash_b64u)

    def add_unread(self, index: int, target: str | None, *, payload_hash_b64u: str, signer_did: str) -> None:
        """Read a publication whose payload is not there: it permits nothing, and what it supersedes is superseded.

        `target` is its ref: `policy:` and the policy that it names. Readable publications of the payload count with it.
        """
        if target is None or not target.startswith("policy:"):
            return
        self._unread.setdefault(payload_hash_b64u, set()).add(signer_did)
        self._supersede(index, target.removeprefix("policy:"), payload_hash_b64u)

    def _supersede(self, index: int, superseded: str, by: str) -> None:
        """A policy falls with the quorum of those who published its successor, whether all of that can be read or not."""
        if len(self._unread.get(by, set()) | self._signers.get(by, set())) >= self._quorum:
            self._superseded.setdefault(superseded, index)

    def in_force_since(self, payload_hash_b64u: str) -> int | None:
        """The index at which the policy came into force, or None."""
        return self._since.get(payload_hash_b64u)

    def superseded_below(self, payload_hash_b64u: str, index: int) -> int | None:
        """The index below `index` at which a policy that supersedes this one came into force, or None."""
        at = self._superseded.get(payload_hash_b64u)
        return at if at is not None and at < index else None
