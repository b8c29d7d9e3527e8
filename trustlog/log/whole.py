"""Checking a stored log as a whole: every entry, every tile, every payload, to the newest checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from trustlog.errors import Refused, TrustlogError
from trustlog.formats.entry import parse_entry
from trustlog.formats.note import VerifierKey
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.log.absent import Absences, Lost
from trustlog.log.recovery import open_signed
from trustlog.merkle.edge import Edge, partial_tiles
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.tiles import TILE_WIDTH
from trustlog.storage.guard import SignedTree
from trustlog.storage.log_reader import LogReader, StoredEntry


@dataclass(frozen=True, slots=True)
class WholeLog:
    """A log that was checked: how many entries it holds, and the newest checkpoint among them, of the log's own key.

    `size` may be larger than ``newest.size`` by one batch that was sequenced and not yet published. `lost` are payloads that are
    not there and were not erased: the tree is whole without them, and a copy of the rest is better than none.
    """

    size: int
    newest: SignedTree
    lost: Lost | None


def check_whole(
    reader: LogReader, key: VerifierKey, trust: TrustPolicy, report: Callable[[int, int], None] | None = None
) -> WholeLog:
    """Compute the tree again from the entries and compare it with the tiles and with the newest checkpoint.

    `trust` says who might erase a payload. `report` is told entries done and entries in all. Raises TrustlogError(LOG_CORRUPT)
    for the first thing that is wrong.
    """
    size = reader.size()
    newest = _read_newest(reader, size, key)
    edge, absences = Edge.empty(), Absences()
    for start in range(0, size, TILE_WIDTH):
        end = min(start + TILE_WIDTH, size)
        rows = list(reader.stored_range(start, end))
        _check_rows(rows, start, end, absences)
        leaf_hashes = [hash_leaf(row.entry) for row in rows]
        if start <= newest.size < end:
            _check_root(edge.append(leaf_hashes[: newest.size - start])[0], newest)
        edge, tiles = edge.append(leaf_hashes)
        for tile, hashes in tiles:
            if tile.is_full and reader.tiles([tile]) != [hashes]:
                raise _corrupt("a stored tile is not what the entries make it", param=tile.path())
        if report is not None:
            report(end, size)
    for tile in partial_tiles(size):
        if reader.tiles([tile]) != [edge.rows[tile.level]]:
            raise _corrupt("a stored tile is not what the entries make it", param=tile.path())
    if newest.size == size:
        _check_root(edge, newest)
    return WholeLog(size, newest, absences.find_lost(reader, trust, size=size))


def _read_newest(reader: LogReader, size: int, key: VerifierKey) -> SignedTree:
    """The newest checkpoint published, whichever tree it is of."""
    published = reader.newest_checkpoint_size()
    note = None if published is None else reader.checkpoint(published)
    if note is None:
        raise _corrupt("there is no checkpoint in log.db", param="checkpoints")
    try:
        newest = open_signed(note, key)
    except Refused as error:
        raise _corrupt(f"the newest checkpoint is not of this log's key: {error.detail}", param="checkpoints") from error
    if newest.size != published or newest.size > size:
        raise _corrupt("the newest checkpoint is of more than the entries", param="checkpoints", found=f"size {newest.size}")
    return newest


def _check_rows(rows: list[StoredEntry], start: int, end: int, absences: Absences) -> None:
    if [row.index for row in rows] != list(range(start, end)):
        raise _corrupt(f"entries are missing between {start} and {end}", param="entries")
    for row in rows:
        try:
            entry = parse_entry(row.entry)
        except Refused as error:
            raise _corrupt(f"entry {row.index} cannot be read: {error.detail}", param="entries") from error
        absences.add(row.index, entry, row.payload)
        if row.payload is not None and hashlib.sha256(row.payload).digest() != entry.payload_hash:
            raise _corrupt(f"the payload of entry {row.index} is another", param="payload")


def _check_root(edge: Edge, newest: SignedTree) -> None:
    if edge.root() != newest.root:
        raise TrustlogError(
            "LOG_CORRUPT",
            f"the entries do not have the root that was signed at size {newest.size}",
            expected=newest.root.hex(),
            found=edge.root().hex(),
        )


def _corrupt(detail: str, *, param: str, found: str | None = None) -> TrustlogError:
    return TrustlogError("LOG_CORRUPT", detail, param=param, found=found)
