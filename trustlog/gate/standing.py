"""What stands and what fell: revocations, supersessions and policies in force, at a given tree size."""

from __future__ import annotations

from typing import Final

from trustlog.gate.logged import Logged
from trustlog.gate.view import LogView
from trustlog.policy.facts import Missing, PolicyFact
from trustlog.policy.rules.whole import policy_not_found
from trustlog.policy.standing import quorum_index
from trustlog.records.revocation import may_revoke
from trustlog.records.token_issued import TokenIssued

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


def policy_fact(view: LogView, token: TokenIssued, size: int) -> PolicyFact | Missing:
    """The policy that a token is pinned to, if the quorum of different issuers signed it below `size`, and what took it back."""
    policy_hash = token.policy_hash_b64u
    entries = view.by_payload(policy_hash, "work_policy_contract", size)
    rules = entries[0].record.rules if entries else None
    if rules is None or not _has_quorum(view, entries):
        return Missing((policy_not_found(token),))
    revoked = tuple(one.index for one in revocations(view, f"policy:{policy_hash}", size))
    superseded = tuple((one.payload_hash, one.index) for one in superseding(view, policy_hash, size))
    return PolicyFact(policy_hash, rules, revoked, superseded)


def superseding(view: LogView, policy_hash: str, size: int) -> list[Logged]:
    """One entry for each policy in force that supersedes this one; an unreadable one counts by its refs and its signers."""
    found = [one for one in view.sharing("target", f"policy:{policy_hash}", size) if one.kind == "work_policy_contract"]
    signed = [one for one in found if one.candidate is not None or _is_unread_policy(view, one)]
    by_payload: dict[str, list[Logged]] = {}
    for one in signed:
        by_payload.setdefault(one.payload_hash, []).append(one)
    return [entries[0] for entries in by_payload.values() if _has_quorum(view, entries)]


def _is_unread_policy(view: LogView, one: Logged) -> bool:
    return one.void == UNREADABLE and view.trust.role_at(one.entry.signer_did, one.index) == "policy_issuers"


def _has_quorum(view: LogView, entries: list[Logged]) -> bool:
    signers = ((one.index, one.entry.signer_did) for one in entries)
    return quorum_index(signers, view.trust.quorums["policy"]) is not None
