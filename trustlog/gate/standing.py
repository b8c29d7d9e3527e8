"""What stands and what fell: revocations, supersessions and policies in force, at a given tree size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from trustlog.gate.view import Logged, LogView
from trustlog.policy.finding import Finding
from trustlog.records.revocation import may_revoke
from trustlog.records.work_policy_contract import ChangeManagement

UNREADABLE: Final = "PAYLOAD_UNREADABLE"


def revocations(view: LogView, target: str, size: int) -> list[Logged]:
    """The revocations of `target` (``token:…``, ``job:…``, …) that count below `size`.

    One whose payload cannot be read counts by its refs if its signer may revoke that target.
    """
    found = [one for one in view.sharing("target", target, size) if one.kind == "revocation"]
    return [one for one in found if one.candidate is not None or (one.void == UNREADABLE and _may_revoke(view, target, one))]


def _may_revoke(view: LogView, target: str, one: Logged) -> bool:
    sort, _, subject = target.partition(":")
    signer = one.entry.signer_did
    own_key = sort == "key" and subject == signer
    own_approval = sort == "approval" and any(
        approval.entry.signer_did == signer for approval in view.named(subject, "human_approval_receipt", one.index)
    )
    return own_key or own_approval or view.trust.role_at(signer, one.index) in may_revoke(sort)


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """A policy, the entry with which it came into force, and every entry that carries it."""

    rules: ChangeManagement
    in_force_at: int
    entries: tuple[Logged, ...]


def policy_in_force(view: LogView, policy_hash: str, size: int) -> PolicyInForce | None:
    """The policy with this hash, if the quorum of different issuers signed it below `size`."""
    entries = view.by_payload(policy_hash, "work_policy_contract", size)
    in_force_at = _quorum_index(view, entries)
    rules = entries[0].record.rules if entries else None
    if in_force_at is None or rules is None:
        return None
    return PolicyInForce(rules, in_force_at, tuple(entries))


def policy_standing(view: LogView, policy_hash: str, size: int) -> Iterator[Finding]:
    """The policy was neither revoked nor superseded below `size`."""
    expected = f"policy {policy_hash} to stand"
    for one in revocations(view, f"policy:{policy_hash}", size):
        yield Finding("POLICY_REVOKED", expected, f"its revocation at index {one.index}")
    for one in superseding(view, policy_hash, size):
        yield Finding("POLICY_SUPERSEDED", expected, f"policy {one.payload_hash} at index {one.index}, which supersedes it")


def superseding(view: LogView, policy_hash: str, size: int) -> list[Logged]:
    """One entry for each policy in force that supersedes this one; an unreadable one counts by its refs and its signers."""
    found = [one for one in view.sharing("target", f"policy:{policy_hash}", size) if one.kind == "work_policy_contract"]
    signed = [one for one in found if one.candidate is not None or _is_unread_policy(view, one)]
    by_payload: dict[str, list[Logged]] = {}
    for one in signed:
        by_payload.setdefault(one.payload_hash, []).append(one)
    return [entries[0] for entries in by_payload.values() if _quorum_index(view, entries) is not None]


def _is_unread_policy(view: LogView, one: Logged) -> bool:
    return one.void == UNREADABLE and view.trust.role_at(one.entry.signer_did, one.index) == "policy_issuers"


def _quorum_index(view: LogView, entries: list[Logged]) -> int | None:
    signers: set[str] = set()
    for one in entries:
        signers.add(one.entry.signer_did)
        if len(signers) == view.trust.quorums["policy"]:
            return one.index
    return None
