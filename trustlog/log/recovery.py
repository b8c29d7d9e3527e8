"""What a start finds in the directory, and what it may do about it.

Three things must agree: the tree in ``log.db``, the checkpoint in ``guard.db``, and the checkpoints published. A crash, at any
instant, can leave only what the first two lines say; a start repairs that by itself. Anything else was done by someone: a
database or a guard put back from a copy, or a damaged file. Then nothing is signed, and reading goes on under the newest
published checkpoint that the tree still carries.

============================================================  ====================================================
the tree                                                      then
============================================================  ====================================================
is what the guard holds                                       go on, and show it
begins with what the guard holds, and nothing newer was       sign the tree, advance the guard, publish
published (crash between storing and signing)
begins with what the guard holds, but more was published      read-only: the guard is an old copy
is smaller than what the guard holds, or another              read-only: ``log.db`` is an old copy, or damaged
has no guard beside it                                        read-only: the log may have signed more than it knows
============================================================  ====================================================

What a start finds may be in the system's memory only: the power could take it away after it was signed. So both databases are
made durable (:mod:`trustlog.storage.durable`) before either is opened, and all of the above is said of what is on the disk.

A tree whose tiles or last entries contradict each other, or that carries no checkpoint of its own key, is not served at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Final

from trustlog.errors import Fatal, Refused, TrustlogError
from trustlog.formats.checkpoint import parse_checkpoint
from trustlog.formats.note import NoteSigner, VerifierKey, open_note
from trustlog.log.commit import sign_tree
from trustlog.log.proving import Prover
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.tiles import TILE_WIDTH, Tile
from trustlog.storage.guard import Guard, SignedTree
from trustlog.storage.log_reader import LogReader

_PUT_BACK: Final = "reading goes on; put back the newest log.db and guard.db, both of the same moment, never older ones"
_NAME_NEWEST: Final = (
    "reading goes on; stop the server and name the newest checkpoint known outside:"
    " trustlog restore BACKUP DIR --newest-checkpoint FILE --yes"
)


class _Mismatch(TrustlogError):
    """The log must not sign: what it holds is not what a crash can leave."""

    def __init__(self, detail: str, *, found: str, expected: str | None = None, hint: str = _PUT_BACK) -> None:
        super().__init__("GUARD_MISMATCH", detail, param="guard.db", expected=expected, found=found, hint=hint)


@dataclass(frozen=True, slots=True)
class Recovered:
    """The state to go on from: `published` is the tree to show; `read_only`, if any, says why nothing may be written.

    Without it `edge` is that of the published tree.
    """

    edge: Edge
    published: SignedTree
    read_only: TrustlogError | None


def recover(reader: LogReader, guard: Guard | None, signer: NoteSigner) -> Recovered:
    """Compare, repair what a crash can leave, or refuse to write. Raises Fatal(LOG_CORRUPT) where nothing can be served."""
    edge = read_edge(reader)
    try:
        last = _read_guard(guard, signer.key)
        _check_agreement(reader, edge.size, last)
    except TrustlogError as reason:  # a mismatch, or a guard or tile that cannot be read
        return Recovered(edge, newest_carried(reader, edge.size, signer.key), reason)
    assert guard is not None
    if last.size < edge.size:
        signed = sign_tree(signer, edge.size, edge.root())
        guard.advance(last, signed)
        last = signed
    return Recovered(edge, last, None)


def read_edge(reader: LogReader) -> Edge:
    """The edge of the stored tree. Raises Fatal(LOG_CORRUPT) if the entries of its last tile have other hashes."""
    size = reader.size()
    try:
        edge = Edge.from_tiles(size, reader.tiles)
        first = (size - 1) // TILE_WIDTH * TILE_WIDTH if size else 0
        leaf_hashes = b"".join(hash_leaf(entry) for entry in reader.entries(first, size))
        (tile,) = reader.tiles([_last_tile(size)]) if size else [b""]
    except TrustlogError as error:
        raise Fatal("LOG_CORRUPT", f"the tree in log.db cannot be read: {error}") from error
    if leaf_hashes != tile:
        raise Fatal("LOG_CORRUPT", "the last entries in log.db are not those that its tiles commit to", found=f"size {size}")
    return edge


def newest_carried(reader: LogReader, size: int, key: VerifierKey, guarded: SignedTree | None = None) -> SignedTree:
    """The newest published checkpoint of the log's own key whose root the stored tree of `size` leaves has.

    `guarded` is what the guard holds, if it may be asked: for a moment it alone has the newest.
    """
    prover = Prover(reader, size)
    noted = [(guarded.size, guarded.note)] if guarded is not None and guarded.size <= size else []
    for published_size, note in chain(noted, reader.checkpoints_down_from(size)):
        try:
            tree = open_signed(note, key)
            if tree.size == published_size and prover.root(tree.size) == tree.root:
                return tree
        except TrustlogError:  # a damaged row, or a damaged tile under it
            continue
    raise Fatal("LOG_CORRUPT", "log.db carries no checkpoint that its own key signed", param="checkpoints")


def open_signed(note: bytes, key: VerifierKey) -> SignedTree:
    """The tree that a note of the log's own key states. Raises Refused for any other note."""
    checkpoint = parse_checkpoint(open_note(note, [key]).text)
    if checkpoint.origin != key.name:
        raise Refused("ORIGIN_MISMATCH", "a checkpoint of another log", expected=key.name, found=checkpoint.origin)
    return SignedTree(checkpoint.size, checkpoint.root, note)


def _read_guard(guard: Guard | None, key: VerifierKey) -> SignedTree:
    """What the guard holds, if it is whole and of this log's key."""
    last = None if guard is None else guard.last_signed()
    if last is None:
        raise _Mismatch(
            "there is no guard beside this log",
            expected="guard.db with the last checkpoint signed",
            found="none",
            hint=_NAME_NEWEST,
        )
    try:
        noted = open_signed(last.note, key)
    except Refused as error:
        raise _Mismatch(f"the guard holds no checkpoint of this log's key: {error.detail}", found=error.code) from error
    if (last.size, last.root) != (noted.size, noted.root):
        raise _Mismatch("the guard contradicts itself", expected=_show(last), found=_show(noted))
    return last


def _check_agreement(reader: LogReader, size: int, last: SignedTree) -> None:
    """The stored tree of `size` leaves begins with the tree signed last, and nothing newer than that was published."""
    if last.size > size:
        missing = f"log.db lacks {last.size - size} entries that the log has signed"
        raise _Mismatch(missing, expected=_show(last), found=f"size {size}")
    root = Prover(reader, size).root(last.size)
    if root != last.root:
        raise _Mismatch("log.db does not carry what the log has signed", expected=_show(last), found=f"root {root.hex()}")
    newest = reader.newest_checkpoint_size()
    if newest is not None and newest > last.size:
        raise _Mismatch("the log has published more than its guard holds", expected=f"size {newest}", found=_show(last))


def _last_tile(size: int) -> Tile:
    return Tile(0, (size - 1) // TILE_WIDTH, (size - 1) % TILE_WIDTH + 1)


def _show(tree: SignedTree) -> str:
    return f"size {tree.size}, root {tree.root.hex()}"
