"""A checkpoint that a pinned log signed and a quorum of pinned witnesses cosigned, and the times that they say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from verifier.checkpoint import Checkpoint, parse_checkpoint
from verifier.errors import Refused
from verifier.mldsa import WITHOUT
from verifier.note import VerifierKey, check_signatures, is_checkable, parse_note
from verifier.policy_text import LogPolicy
from verifier.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class TrustedCheckpoint:
    """A checkpoint that a pinned log signed. `cosigned` holds (witness key, seconds since 1970), where it says a time."""

    checkpoint: Checkpoint
    cosigned: tuple[tuple[VerifierKey, int], ...]
    unknown_signatures: int

    def fresh_time_s(self, policy: LogPolicy) -> int | None:
        """The latest time such that the cosignatures at or after it are a quorum; None without one."""
        return _time_of_quorum(policy, sorted(self.cosigned, key=lambda item: -item[1]))

    def quorum_time_s(self, policy: LogPolicy) -> int | None:
        """The earliest time by which a quorum had cosigned; None without a quorum or without witnesses."""
        return _time_of_quorum(policy, sorted(self.cosigned, key=lambda item: item[1]))


def _time_of_quorum(policy: LogPolicy, cosigned: Iterable[tuple[VerifierKey, int]]) -> int | None:
    """The time at which the cosignatures, taken in this order, come to be a quorum; None if they never do or none is demanded."""
    if policy.quorum is None:
        return None
    seen: set[VerifierKey] = set()
    for key, time_s in cosigned:
        seen.add(key)
        if policy.is_met(seen):
            return time_s
    return None


def open_checkpoint(data: bytes, trust: TrustPolicy, *, need_quorum: bool = True) -> TrustedCheckpoint:
    """The checkpoint in a signed note, verified against the pinned keys.

    The log's key name must be the origin. Raises Refused NOTE_MALFORMED, NOTE_UNVERIFIED,
    CHECKPOINT_MALFORMED, ORIGIN_MISMATCH or QUORUM_NOT_MET.
    """
    policy = trust.log_policy
    note = parse_note(data)
    witnesses = {key for _, key in policy.witnesses}
    verified, unknown = check_signatures(note, [*policy.logs, *witnesses])
    checkpoint = parse_checkpoint(note.text)
    signers = {key.name for key, _ in verified if key in policy.logs}
    if not signers:
        raise Refused("NOTE_UNVERIFIED", "checkpoint", expected="the signature of a pinned log")
    if checkpoint.origin not in signers:
        raise Refused("ORIGIN_MISMATCH", "checkpoint", expected=" or ".join(sorted(signers)), found=checkpoint.origin)
    cosigned = tuple((key, time_s) for key, time_s in verified if key in witnesses and time_s is not None)
    cosigners = {key for key, _ in verified if key in witnesses}
    if need_quorum and not policy.is_met(cosigners):
        found = f"{len(cosigners)} cosignatures of pinned witnesses"
        if not all(is_checkable(key) for key in witnesses):
            found += f"; those by ML-DSA-44 cannot be checked {WITHOUT}"
        raise Refused("QUORUM_NOT_MET", "checkpoint", expected=f"quorum {policy.quorum}", found=found)
    return TrustedCheckpoint(checkpoint, cosigned, unknown)
