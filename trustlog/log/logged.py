"""What a submitter gets: the entry's place, and the proof that it is in a published tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trustlog.errors import TrustlogError
from trustlog.log.link import Submitted
from trustlog.log.verified import VerifiedReader
from trustlog.storage.guard import SignedTree


@dataclass(frozen=True, slots=True)
class Logged:
    """A published entry: where it is, and the proof (32-byte hashes) that it is in `tree`, which anyone can fetch.

    `entry` is what is in the log: of an entry `already_logged`, the first one's bytes. `attachments` is JSON, or None.
    """

    index: int
    entry: bytes
    leaf_hash: bytes
    already_logged: bool
    attachments: bytes | None
    tree: SignedTree
    inclusion_proof: Sequence[bytes]


def prove_stored(reader: VerifiedReader, index: int, tree: SignedTree) -> Logged:
    """What is stored at `index`, below the size of `tree`. Raises TrustlogError(LOG_CORRUPT) for what cannot be proven."""
    stored = reader.stored(index, tree)
    return Logged(
        index=index,
        entry=stored.entry,
        leaf_hash=reader.leaf_hash(index, tree),
        already_logged=True,
        attachments=stored.attachments,
        tree=tree,
        inclusion_proof=reader.inclusion(index, tree),
    )


def logged_of(reader: VerifiedReader, submitted: Submitted, position: int) -> Logged | TrustlogError:
    """What became of the offer at `position`."""
    outcome, batch, offer = submitted.outcomes[position], submitted.batch, submitted.offers[position]
    if isinstance(outcome, TrustlogError):
        return outcome
    if outcome.already_logged:
        try:
            return prove_stored(reader, outcome.index, batch.tree)
        except TrustlogError as error:
            return error
    growth = batch.growth
    assert growth is not None
    return Logged(
        index=outcome.index,
        entry=offer.entry,
        leaf_hash=growth.leaf_hashes[outcome.index - growth.old_size],
        already_logged=False,
        attachments=offer.attachments,
        tree=batch.tree,
        inclusion_proof=growth.inclusion_proof(outcome.index),
    )
