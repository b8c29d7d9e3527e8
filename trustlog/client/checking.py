"""What makes an answer of a log believed: pure checks over parsed answers, a trust policy and a time.

Nothing here does I/O. Each check raises Refused with the code of what it found; returning means proven.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from trustlog.client.answers import EntryAnswer, parse_hash_b64u, parse_hashes
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.entry import Entry, parse_entry
from trustlog.formats.envelope import check_signature
from trustlog.formats.trustpolicy import TrustedCheckpoint, TrustPolicy, check_checkpoint_age, open_checkpoint
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_consistency, check_inclusion


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry at its index under a checkpoint that the trust policy accepts; `inclusion_proof` is to that checkpoint."""

    index: int
    entry: bytes
    leaf_hash: bytes
    checkpoint: TrustedCheckpoint
    inclusion_proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Logged(Proven):
    """A submission that is in the log. `entry` is the log's, which may carry an earlier signature of the same signer.

    `attachments` is what the log keeps beside the payload and nobody proves.
    """

    already_logged: bool
    attachments: dict[str, Any] | None


def accept_checkpoint(note: bytes, trust: TrustPolicy, *, now_s: float) -> TrustedCheckpoint:
    """The checkpoint in `note`, if the trust policy accepts it and, where it demands witnesses, they saw it lately.

    Raises Refused: what :func:`~trustlog.formats.trustpolicy.open_checkpoint` raises, ``CHECKPOINT_STALE``.
    """
    trusted = open_checkpoint(note, trust)
    check_checkpoint_age(trusted, trust, int(now_s))
    return trusted


def check_step(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """The tree of `old` begins the tree of `new`, by `proof` (``CHECKPOINT_INCONSISTENT``)."""
    try:
        check_consistency(proof, old.size, new.size, old.root, new.root, empty_old_ok=True)
    except Refused as error:
        raise Refused(
            "CHECKPOINT_INCONSISTENT",
            f"the log did not prove that size {old.size} begins size {new.size}: {error.detail}",
            param="checkpoint",
            expected=f"a proof from root {old.root.hex()}",
            found=f"root {new.root.hex()}",
        ) from None


def needs_proof(old: Checkpoint, new: Checkpoint) -> bool:
    """Whether a consistency proof from `old` to `new` has any hashes: not from an empty tree, not to itself."""
    return 0 < old.size < new.size


def check_entry(answer: EntryAnswer, checkpoint: TrustedCheckpoint) -> Proven:
    """The entry of an answer is where the answer says, under the answer's checkpoint (which was accepted already).

    Raises Refused: ``LOG_RESPONSE_INVALID`` where the answer contradicts itself, ``INCLUSION_PROOF_INVALID``.
    """
    entry = answer.entry.encode("utf-8")
    leaf_hash = hash_leaf(entry)
    _check_stated(
        "leaf_hash_b64u", encode_b64u(parse_hash_b64u(answer.leaf_hash_b64u, "leaf_hash_b64u")), encode_b64u(leaf_hash)
    )
    _check_stated("tree_size", answer.tree_size, checkpoint.checkpoint.size)
    proof = parse_hashes(answer.inclusion_proof)
    tree = checkpoint.checkpoint
    check_inclusion(proof, answer.index, tree.size, leaf_hash, tree.root)
    return Proven(answer.index, entry, leaf_hash, checkpoint, tuple(proof))


def check_submission(own: Entry, answer: EntryAnswer, checkpoint: TrustedCheckpoint) -> Logged:
    """What was submitted is what was logged: `own` is the entry that the submitter computed.

    An entry that was logged before may carry another signature of the same signer over the same payload hash; that signature is
    checked. Raises Refused: ``LOG_LIES`` for any other entry, ``SIGNATURE_INVALID``, and as :func:`check_entry`.
    """
    held = answer.entry.encode("utf-8")
    if held != own.encode():
        _check_earlier_signature(own, held, already_logged=answer.already_logged)
    proven = check_entry(answer, checkpoint)
    return Logged(
        index=proven.index,
        entry=proven.entry,
        leaf_hash=proven.leaf_hash,
        checkpoint=checkpoint,
        inclusion_proof=proven.inclusion_proof,
        already_logged=answer.already_logged,
        attachments=answer.attachments,
    )


def _check_earlier_signature(own: Entry, held: bytes, *, already_logged: bool) -> None:
    try:
        other = parse_entry(held)
    except Refused:
        other = None
    if not already_logged or other is None or replace(own, signature=other.signature) != other:
        raise Refused(
            "LOG_LIES",
            "the log answers with another entry than the one that was submitted",
            param="entry",
            expected=own.leaf_hash.hex(),
            found=hash_leaf(held).hex(),
        )
    check_signature(encode_b64u(other.payload_hash), other.signature, other.signer_did)


def _check_stated(param: str, stated: object, found: object) -> None:
    if stated != found:
        raise Refused(
            "LOG_RESPONSE_INVALID", "the answer contradicts itself", param=param, expected=str(found), found=str(stated)
        )
