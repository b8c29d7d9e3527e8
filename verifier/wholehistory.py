"""Whole logs read for the judgment of changes: the history that absence needs."""

from __future__ import annotations

from functools import partial

from verifier.change.judge import WholeLog
from verifier.errors import Refused, Unavailable
from verifier.ledger.history import History
from verifier.ledger.prepared import Brought, Unopened
from verifier.ledger.unread import Unread
from verifier.proofs import check_not_behind
from verifier.reading import BundleRead, Look
from verifier.scan import OnProgress, scan_log
from verifier.source import Source, read_checkpoint, read_entry
from verifier.trust import TrustPolicy
from verifier.trustedcheckpoint import open_checkpoint
from verifier.wanted import Wanted


def read_whole_log(
    source: Source,
    trust: TrustPolicy,
    wanted: Wanted,
    *,
    earlier: bytes | None = None,
    workers: int = 1,
    on_progress: OnProgress | None = None,
) -> tuple[WholeLog, bytes]:
    """Read all entries and payloads of a log for the judgment of changes; also the checkpoint note.

    Receipts that have nothing to do with these changes are read and judged, but not remembered.
    Payloads that lie or cannot be had are the result's `flaw`: they must not hide that its tree breaks with a pack's.
    Raises Refused for a tree that contradicts itself or `earlier`, Unavailable for one that cannot be read whole.
    """
    note = read_checkpoint(source)
    checkpoint = open_checkpoint(note, trust).checkpoint
    old = open_checkpoint(earlier, trust, need_quorum=False).checkpoint if earlier is not None else None
    if old is not None:
        check_not_behind(old, checkpoint)
    history = History(trust, checkpoint.origin, reread=lambda index: read_entry(source, index, checkpoint.size))
    unread = Unread()
    scan_tree = partial(
        scan_log,
        source,
        checkpoint.size,
        root=checkpoint.root,
        sizes=[*wanted.sizes, *([old.size] if old is not None else [])],
        indexes=wanted.indexes,
        workers=workers,
        on_progress=on_progress,
    )
    flaw: Refused | Unavailable | None = None
    try:
        scan = scan_tree(
            look=Look(deep=True, origin=checkpoint.origin, keep=wanted.keep()), on_bundle=partial(_admit, history, unread)
        )
    except (Refused, Unavailable) as error:
        flaw = error
        try:
            scan = scan_tree()
        except Unavailable:
            raise flaw from None  # which may be a lie, and not only something that cannot be had
    if old is not None and old.size and scan.roots[old.size] != old.root:
        raise Refused("CHECKPOINT_INCONSISTENT", "earlier checkpoint", expected=old.root.hex())
    missing = [] if flaw is not None else unread.explain(history, at_most=1)[0]
    if missing:
        flaw = Unavailable("PAYLOAD_MISSING", f"payload of entry {missing[0]}", expected="it, or a tombstone")
    history.complete_to = checkpoint.size if flaw is None else None
    checked = f"{checkpoint.size} entries were read and lead to the signed root {checkpoint.root.hex()}"
    continues = old is not None
    return WholeLog(history, checkpoint.size, scan.roots, scan.leaf_hashes, checked, flaw, continues=continues), note


def _admit(history: History, unread: Unread, bundle: BundleRead) -> None:
    """Read one bundle's entries."""
    for index, item in bundle.items():
        if isinstance(item, Unopened):
            history.admit_unopened(index, item)
            unread.add_row(index, item)
            continue
        fault = history.admit(index, item).fault
        if fault is not None:
            fault.forget_frames()
        if item.brought is Brought.ABSENT:
            unread.add(index, item.kind, item.payload_hash_b64u)
