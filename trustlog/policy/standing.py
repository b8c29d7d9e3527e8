"""What became of a policy in a log: since when it is in force, and what ended that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from trustlog.formats.timestamp import format_timestamp
from trustlog.records.fields import UnsetType
from trustlog.records.work_policy_contract import ChangeManagement

Status: TypeAlias = Literal["in_force", "awaiting_signatures", "superseded", "revoked"]
Place: TypeAlias = tuple[int, str]
"""An index, and what stands there: a signer's DID, or the hash of a policy."""


def quorum_index(signers: Iterable[Place], quorum: int) -> int | None:
    """The index at which the quorum of different signers was reached: the policy is in force above it. In index order."""
    different: set[str] = set()
    for index, did in signers:
        different.add(did)
        if len(different) == quorum:
            return index
    return None


def status_of(in_force_at: int | None, *, revoked: bool, superseded: bool) -> Status:
    """One word for a standing; the gravest."""
    if revoked:
        return "revoked"
    if in_force_at is None:
        return "awaiting_signatures"
    return "superseded" if superseded else "in_force"


@dataclass(frozen=True, slots=True)
class Standing:
    """A policy as the log has it below `size`.

    `signers` are the trusted issuers who signed it; `superseded_by` the policies in force that name it. `supersedes` and
    `descends_to` are the chain in both directions, nearest first: what it replaces, and what replaces those that replace it.
    """

    policy_hash: str
    size: int
    quorum: int
    signers: tuple[Place, ...]
    revoked_at: tuple[int, ...] = ()
    superseded_by: tuple[Place, ...] = ()
    supersedes: tuple[str, ...] = ()
    descends_to: tuple[str, ...] = ()

    @property
    def in_force_at(self) -> int | None:
        """The index at which it came into force; None while signatures lack."""
        return quorum_index(self.signers, self.quorum)

    @property
    def status(self) -> Status:
        """One word for it."""
        return status_of(self.in_force_at, revoked=bool(self.revoked_at), superseded=bool(self.superseded_by))


def standing_sentences(standing: Standing) -> Iterator[str]:
    """The standing, one sentence a fact."""
    since = standing.in_force_at
    for index, did in standing.signers:
        yield f"Signed by policy issuer {did} at index {index}."
    if since is None:
        yield f"Not in force: {len({did for _, did in standing.signers})} of {standing.quorum} different policy issuers signed it."
    else:
        yield f"It came into force at index {since}, with {standing.quorum} of {standing.quorum} signatures needed."
    for index in standing.revoked_at:
        yield f"Revoked at index {index}: everything above that is denied under it."
    for index, newer in standing.superseded_by:
        yield f"Superseded by policy {newer} at index {index}: everything above that is denied under it."
    if standing.supersedes:
        yield f"It replaced {', which replaced '.join(standing.supersedes)}."
    if len(standing.descends_to) > len(standing.superseded_by):
        yield f"Since then, nearest first: {', '.join(standing.descends_to)}."


def validity_fault(rules: ChangeManagement | None, at_ns: int) -> str | None:
    """Why a policy that is in force permits nothing at a time (nanoseconds since 1970); None where it may."""
    if rules is None:
        return "it has no rules for changes"
    if not isinstance(rules.valid_from, UnsetType) and at_ns < rules.valid_from.ns:
        return f"it is valid from {rules.valid_from.text}, and now is {format_timestamp(at_ns)}"
    if not isinstance(rules.valid_until, UnsetType) and at_ns >= rules.valid_until.ns:
        return f"it was valid until {rules.valid_until.text}, and now is {format_timestamp(at_ns)}"
    return None
