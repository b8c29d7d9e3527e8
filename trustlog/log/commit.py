"""Committing a batch: the order that the log's promise rests on. One thread, one batch at a time.

====  =========================================  ================================================================
step  what                                       if it fails
====  =========================================  ================================================================
1     judge each candidate at its real index     that candidate is refused; nothing was written
2     one transaction in ``log.db``: entries,    the batch fails and nothing of it is in the log; if that is not
      payloads, keys, tiles (*sequenced*)        certain, Fatal
3     sign the checkpoint (*integrated*)         Fatal. At the next start the log is ahead of the guard, which
                                                 only this gap can cause: the same tree is signed then
4     compare-and-swap it into ``guard.db``      Fatal. Either as after step 3, or the guard has it already: the
                                                 next start publishes what the guard holds
5     publish: keep it, show it (*published*)    Fatal. As after step 4
6     read the entries back and prove them       Fatal. The store returns something else than was written. (An
                                                 older entry that no longer proves itself is told to whoever asked.)
7     answer                                     –
====  =========================================  ================================================================

A Fatal stops the process, and nobody of the batch is answered with success. Submitting again is always safe: an entry that did
get in is answered with its first index. Signing is deterministic (Ed25519), and no clock takes part, so a checkpoint that is
signed twice is the same bytes twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from trustlog.errors import Fatal, Refused, TrustlogError
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.note import NoteSigner, sign_note
from trustlog.log.admission import Admitted
from trustlog.log.history import StoredHistory
from trustlog.log.proving import Prover
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_inclusion
from trustlog.records.candidate import Candidate
from trustlog.records.ledger import Ledger
from trustlog.storage.connection import StorageFailed
from trustlog.storage.guard import Guard, SignedTree
from trustlog.storage.log_reader import LogReader, StoredEntry
from trustlog.storage.log_writer import LogWriter, NewEntry

_LOGGER = logging.getLogger(__name__)


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


Result: TypeAlias = Logged | TrustlogError


@dataclass(frozen=True, slots=True)
class _Found:
    """A candidate's place: an index of this batch, or of an entry that was there before."""

    index: int
    already_logged: bool


class Committer:
    """The one writer. Holds the edge of the tree, the ledger, and the tree signed last, all three of one size."""

    def __init__(
        self,
        *,
        signer: NoteSigner,
        reader: LogReader,
        writer: LogWriter,
        guard: Guard,
        history: StoredHistory,
        ledger: Ledger,
        edge: Edge,
        signed: SignedTree,
        publish: Callable[[SignedTree], None],
    ) -> None:
        """`publish` shows a signed tree to everyone, at once; it is called from the committing thread."""
        self._signer = signer
        self._reader = reader
        self._writer = writer
        self._guard = guard
        self._history = history
        self._ledger = ledger
        self._edge = edge
        self._signed = signed
        self._publish = publish

    def replace_ledger(self, ledger: Ledger) -> None:
        """Judge by another trust policy from the next batch on; `ledger` stands at the current size."""
        self._ledger = ledger

    def commit(self, batch: Sequence[Admitted]) -> list[Result]:
        """Log a batch: one result for each candidate, in order. Raises Fatal and nothing else."""
        before = self._edge.size
        try:
            with self._history.batch(admitted.candidate for admitted in batch):
                ledger, found, new = self._judge(batch)
                edge = self._store(new) if new else self._edge
        except StorageFailed as failure:
            return [failure] * len(batch)
        if new:
            self._sign_and_publish(edge, ledger)
        with _fatal("the log cannot prove what it just published", "LOG_CORRUPT"):
            return self._answer(batch, found, before)

    # Step 1.

    def _judge(self, batch: Sequence[Admitted]) -> tuple[Ledger, list[_Found | TrustlogError], list[NewEntry]]:
        """Judge each candidate as if all accepted before it were in the log already. Writes nothing."""
        ledger = self._ledger.fork()
        found: list[_Found | TrustlogError] = []
        new: list[NewEntry] = []
        for admitted in batch:
            try:
                index = self._edge.size + len(new)
                place, entry = self._place(ledger, admitted, index)
            except StorageFailed:  # nobody can be judged without the history
                raise
            except TrustlogError as refusal:
                found.append(refusal)
            except Exception:  # one candidate that finds a defect of ours must not take the others with it
                _LOGGER.exception("judging a candidate failed")
                found.append(TrustlogError("INTERNAL_ERROR", "this candidate could not be judged"))
            else:
                found.append(place)
                new += [] if entry is None else [entry]
        return ledger, found, new

    def _place(self, ledger: Ledger, admitted: Admitted, index: int) -> tuple[_Found, NewEntry | None]:
        candidate = admitted.candidate
        first = ledger.already_logged(candidate)
        if first is not None:
            return _Found(first, already_logged=True), None
        if admitted.skew is not None:
            raise admitted.skew
        ledger.judge(candidate, index)
        entry, attachments = candidate.entry.encode(), _encode_attachments(candidate)
        keys = ledger.accept(candidate, index)
        self._history.add(index, entry, keys)
        governs = candidate.kind.name in Ledger.GOVERNANCE
        return _Found(index, already_logged=False), NewEntry(entry, candidate.payload_text, attachments, keys, governs)

    # Steps 2 to 5.

    def _store(self, new: Sequence[NewEntry]) -> Edge:
        """Make the entries durable, or raise StorageFailed and have nothing of them in the log."""
        with _fatal("the tree cannot be extended", "LOG_CORRUPT"):
            edge, tiles = self._edge.append([hash_leaf(entry.entry) for entry in new])
        try:
            self._writer.append(self._edge.size, new, tiles)
        except StorageFailed:
            with _fatal("nobody knows whether a batch was stored", "STORAGE_FAILED"):
                self._check_size(self._edge.size)
            raise
        return edge

    def _sign_and_publish(self, edge: Edge, ledger: Ledger) -> None:
        with _fatal("the log failed after it began to sign", "STORAGE_FAILED"):
            signed = sign_tree(self._signer, edge)
            self._guard.advance(self._signed, signed)
            self._writer.record_checkpoint(signed.size, signed.note)
            self._edge, self._ledger, self._signed = edge, ledger, signed
            self._publish(signed)

    def _check_size(self, expected: int) -> None:
        found = self._reader.size()
        if found != expected:
            raise Fatal("STORAGE_FAILED", "a failed batch is in log.db", expected=expected, found=found)

    # Steps 6 and 7.

    def _answer(self, batch: Sequence[Admitted], found: Sequence[_Found | TrustlogError], before: int) -> list[Result]:
        """Answer with what the store returns now; the new entries are those from index `before` on."""
        prover = Prover(self._reader, self._signed.size)
        new = {stored.index: stored for stored in self._reader.stored_range(before, self._signed.size)}
        results: list[Result] = []
        for admitted, place in zip(batch, found, strict=True):
            if isinstance(place, TrustlogError):
                results.append(place)
                continue
            try:
                stored = new.get(place.index) or self._reader.stored(place.index)
                if stored is None or not (place.already_logged or stored.entry == admitted.candidate.entry.encode()):
                    raise Fatal("LOG_CORRUPT", f"entry {place.index} is not what was stored")
                results.append(self._prove(prover, stored, already_logged=place.already_logged))
            except TrustlogError as error:
                if not place.already_logged:
                    raise
                _LOGGER.error("entry %d cannot be proven: %s", place.index, error)  # noqa: TRY400
                results.append(TrustlogError("LOG_CORRUPT", f"entry {place.index} is in the log, and cannot be proven"))
        return results

    def _prove(self, prover: Prover, stored: StoredEntry, *, already_logged: bool) -> Logged:
        """Prove a stored entry to the root that was signed: what anyone who asks would get."""
        leaf_hash = hash_leaf(stored.entry)
        proof = prover.inclusion(stored.index)
        check_inclusion(proof, stored.index, self._signed.size, leaf_hash, self._signed.root)
        return Logged(
            index=stored.index,
            entry=stored.entry,
            leaf_hash=leaf_hash,
            already_logged=already_logged,
            attachments=stored.attachments,
            tree=self._signed,
            inclusion_proof=proof,
        )


def sign_tree(signer: NoteSigner, edge: Edge) -> SignedTree:
    """Sign the checkpoint of the tree that `edge` is the edge of. Whoever calls this owes the guard an advance."""
    root = edge.root()
    return SignedTree(edge.size, root, sign_note(Checkpoint(signer.key.name, edge.size, root).encode(), signer))


def _encode_attachments(candidate: Candidate) -> bytes | None:
    return canonicalize(dict(candidate.attachments)) if candidate.attachments else None


@contextmanager
def _fatal(what: str, code: str) -> Iterator[None]:
    """From here on every failure, a defect of ours included, stops the log."""
    try:
        yield
    except Fatal:
        raise
    except TrustlogError as error:
        raise Fatal(error.code if not isinstance(error, Refused) else code, f"{what}: {error}") from error
    except Exception as error:
        raise Fatal(code, f"{what}: {error!r}") from error
