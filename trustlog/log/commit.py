"""Committing a batch: the order that the log's promise rests on. One thread, one batch at a time.

====  =========================================  ================================================================
step  what                                       if it fails
====  =========================================  ================================================================
1     judge each candidate at its real index     that candidate is refused; nothing was written
2     one transaction in ``log.db``: entries,    the batch fails and nothing of it is in the log; if that is not
      payloads, keys, tiles (*sequenced*)        certain, Fatal
3     read entries and tiles back, compare them  Fatal. The store returns something else than was written. At the
      with what will be signed                   next start the log is ahead of the guard, as after step 4
4     sign the checkpoint (*integrated*)         Fatal. At the next start the log is ahead of the guard, which
                                                 only this gap can cause: the same tree is signed then
5     compare-and-swap it into ``guard.db``      Fatal. Either as after step 4, or the guard has it already: the
                                                 next start publishes what the guard holds
6     publish: show it (*published*)             Fatal. As after step 5
7     check the log's own proofs to it           Fatal
8     answer                                     –
9     keep the checkpoint in ``log.db``: in the  tried again; the guard has it, and a start keeps it from there
      next batch's transaction, or when idle
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

import msgspec

from trustlog.errors import Fatal, Refused, TrustlogError
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.note import NoteSigner, sign_note
from trustlog.log.history import StoredHistory
from trustlog.log.offer import Offer, Offered
from trustlog.merkle.edge import Edge
from trustlog.merkle.growth import Frontier, Growth, advance, grow
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_inclusion
from trustlog.merkle.tiles import Tile
from trustlog.records.ledger import Ledger
from trustlog.storage.connection import StorageFailed
from trustlog.storage.guard import Guard, SignedTree
from trustlog.storage.log_reader import LogReader
from trustlog.storage.log_writer import LogWriter, NewEntry

_LOGGER = logging.getLogger(__name__)


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where an entry is: its index, and whether it was there before it was offered this time."""

    index: int
    already_logged: bool


Outcome: TypeAlias = Place | TrustlogError


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a batch: one outcome for each offer, in order, and the tree that is published now.

    `growth` has the proofs of the entries that this batch added; None where it added none.
    """

    outcomes: Sequence[Outcome]
    tree: SignedTree
    growth: Growth | None


class Committer:
    """The one writer. Holds the frontier of the tree, the ledger, and the tree signed last, all three of one size."""

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
        self._frontier = Frontier.of_edge(edge)
        self._signed = signed
        self._publish = publish
        is_kept = reader.checkpoint(signed.size) is not None  # not if a crash came before step 9
        self._unkept = None if is_kept else (signed.size, signed.note)  # the newest checkpoint, until log.db has it

    @property
    def size(self) -> int:
        """How many entries are sequenced."""
        return self._frontier.size

    @property
    def is_kept(self) -> bool:
        """Whether ``log.db`` has the newest checkpoint."""
        return self._unkept is None

    def replace_ledger(self, ledger: Ledger) -> None:
        """Judge by another trust policy from the next batch on; `ledger` stands at the current size."""
        self._ledger = ledger

    def commit(self, batch: Sequence[Offer]) -> Committed:
        """Log a batch. Raises StorageFailed if nothing of it is in the log, Fatal if the process must end."""
        try:
            ledger, outcomes, new = self._judge(batch)
            if not new:
                return Committed(outcomes, self._signed, None)
            with _fatal("the tree cannot be extended", "LOG_CORRUPT"):
                growth = grow(self._frontier, [hash_leaf(entry.entry) for entry in new])
                frontier, tiles = advance(self._frontier, growth)
            self._store(new, tiles)
        except BaseException:
            self._history.forget()
            raise
        with _fatal("the log failed after a batch was stored", "STORAGE_FAILED"):
            self._history.keep()
            self._read_back(new, tiles)
            self._sign_and_publish(growth)
            self._frontier, self._ledger = frontier, ledger
        with _fatal("the log cannot prove what it just published", "LOG_CORRUPT"):
            self._check_proofs(growth)
        return Committed(outcomes, self._signed, growth)

    def check_in_place(self) -> None:
        """Check that both databases are the files that their names lead to. Raises StorageFailed."""
        self._writer.check_in_place()
        self._guard.check_in_place()

    def keep_checkpoint(self) -> None:
        """Step 9, when no batch follows at once. Raises StorageFailed; then the next batch, or the next call, tries again."""
        if self._unkept is not None:
            self._writer.record_checkpoint(*self._unkept)
            self._unkept = None

    # Step 1.

    def _judge(self, batch: Sequence[Offer]) -> tuple[Ledger, list[Outcome], list[NewEntry]]:
        """Judge each candidate as if all accepted before it were in the log already. Writes nothing."""
        ledger = self._ledger.fork()
        outcomes: list[Outcome] = []
        new: list[NewEntry] = []
        for offer in batch:
            try:
                place, entry = self._place(ledger, offer, self._frontier.size + len(new))
            except StorageFailed:  # nobody can be judged without the history
                raise
            except TrustlogError as refusal:
                outcomes.append(refusal)
            except Exception:  # one candidate that finds a defect of ours must not take the others with it
                _LOGGER.exception("judging a candidate failed")
                outcomes.append(TrustlogError("INTERNAL_ERROR", "this candidate could not be judged"))
            else:
                outcomes.append(place)
                if entry is not None:
                    new.append(entry)
        return ledger, outcomes, new

    def _place(self, ledger: Ledger, offer: Offer, index: int) -> tuple[Place, NewEntry | None]:
        candidate = Offered(offer, self._signer.key.name)
        first = ledger.already_logged(candidate)
        if first is not None:
            return Place(first, already_logged=True), None
        if offer.skew is not None:
            raise offer.skew.error()
        ledger.judge(candidate, index)
        identity, *claims = ledger.accept(candidate, index)
        self._history.add(index, offer.entry, [identity, *claims])
        governs = offer.kind in Ledger.GOVERNANCE
        entry = NewEntry(offer.entry, offer.payload, offer.attachments, offer.identity, claims, governs)
        return Place(index, already_logged=False), entry

    # Steps 2 and 3.

    def _store(self, new: Sequence[NewEntry], tiles: Sequence[tuple[Tile, bytes]]) -> None:
        """Make the entries durable, or raise StorageFailed and have nothing of them in the log."""
        self.check_in_place()
        try:
            self._writer.append(self._frontier.size, new, tiles, self._unkept)
        except StorageFailed:
            with _fatal("nobody knows whether a batch was stored", "STORAGE_FAILED"):
                self._check_size(self._frontier.size)
            raise
        self._unkept = None

    def _check_size(self, expected: int) -> None:
        found = self._reader.size()
        if found != expected:
            raise Fatal("STORAGE_FAILED", "a failed batch is in log.db", expected=expected, found=found)

    def _read_back(self, new: Sequence[NewEntry], tiles: Sequence[tuple[Tile, bytes]]) -> None:
        """Whoever reads the log gets, from now on, exactly what the tree was computed from."""
        first = self._frontier.size
        if self._reader.entries(first, first + len(new)) != [entry.entry for entry in new]:
            raise Fatal("LOG_CORRUPT", f"the entries from {first} on are not what was stored")
        if self._reader.tiles([tile for tile, _ in tiles]) != [content for _, content in tiles]:
            raise Fatal("LOG_CORRUPT", "the tiles are not what was stored")

    # Steps 4 to 7.

    def _sign_and_publish(self, growth: Growth) -> None:
        signed = sign_tree(self._signer, growth.size, growth.root)
        self._guard.advance(self._signed, signed)
        self._unkept = (signed.size, signed.note)
        self._signed = signed
        self._publish(signed)

    def _check_proofs(self, growth: Growth) -> None:
        """The first and the last proof in full. All others are siblings of the same nodes, each computed once from its children."""
        for position, index in ((0, growth.old_size), (-1, growth.size - 1)):
            proof = growth.inclusion_proof(index)
            check_inclusion(proof, index, growth.size, growth.leaf_hashes[position], self._signed.root)


def sign_tree(signer: NoteSigner, size: int, root: bytes) -> SignedTree:
    """Sign the checkpoint of the tree of `size` leaves with `root`. Whoever calls this owes the guard an advance."""
    return SignedTree(size, root, sign_note(Checkpoint(signer.key.name, size, root).encode(), signer))


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
