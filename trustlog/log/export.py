"""Exporting a log: the C2SP tile tree and the payloads, as files that anyone can check without us.

::

    checkpoint                              written last
    tile/<level>/<index>[.p/<width>]
    tile/entries/<index>[.p/<width>]
    payloads/<first two hex>/<sha256 hex>   of entries, unless erased, and those that were stored on their own

Works beside a running server: the tree is that of the newest checkpoint published when it begins. Every tile is computed again
from the entries, and compared with the stored one, before anything has its final name.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trustlog.errors import Refused, TrustlogError
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.bundle import encode_bundle
from trustlog.formats.entry import parse_entry
from trustlog.formats.note import VerifierKey
from trustlog.log.absent import Absences, Lost
from trustlog.log.directory import LogDirectory
from trustlog.log.recovery import newest_carried
from trustlog.merkle.edge import Edge, partial_tiles
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.tiles import TILE_WIDTH, Tile, entry_bundle_path
from trustlog.storage.connection import storage_errors
from trustlog.storage.guard import Guard, SignedTree
from trustlog.storage.log_reader import LogReader


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the tree, and how many payloads; and what is lost, which no auditor will be able to read."""

    tree: SignedTree
    payloads: int
    lost: Lost | None


def export(
    directory: LogDirectory, out: Path, *, force: bool = False, report: Callable[[int, int], None] | None = None
) -> Exported:
    """Write the log in `directory` to `out`, which must not exist unless `force`; it appears complete or not at all.

    `report` is told entries done and entries in all. Raises Refused(INPUT_UNREADABLE) for an `out` in use, and TrustlogError
    (LOG_CORRUPT, STORAGE_FAILED).
    """
    if out.exists() and not force:
        raise Refused(
            "INPUT_UNREADABLE", f"{out} exists", param="out", expected="a new directory", hint="add --force to replace it"
        )
    key = directory.read_signer().key
    guarded = Guard.read(directory.guard_path)
    reader = LogReader(directory.log_path)
    try:
        with storage_errors(f"export to {out}"):
            out.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as unfinished:
                made = Path(unfinished) / "log"
                tree, payloads, absences = _write(reader, key, guarded, made, report or (lambda _done, _total: None))
                lost = None if absences.is_empty else absences.find_lost(reader, directory.read_trust(), size=tree.size)
                _put_in_place(made, out, Path(unfinished) / "replaced")
                return Exported(tree, payloads, lost)
    finally:
        reader.close()


def _write(
    reader: LogReader, key: VerifierKey, guarded: SignedTree | None, out: Path, report: Callable[[int, int], None]
) -> tuple[SignedTree, int, Absences]:
    """The tree that was written, how many payloads, and which were not there."""
    tree = newest_carried(reader, reader.size(), key, guarded)
    payloads: set[bytes] = set()
    edge, absences = Edge.empty(), Absences()
    for start in range(0, tree.size, TILE_WIDTH):
        rows = list(reader.stored_range(start, min(start + TILE_WIDTH, tree.size)))
        _write_file(out / entry_bundle_path(start // TILE_WIDTH, len(rows)), encode_bundle(row.entry for row in rows))
        for row in rows:
            entry = parse_entry(row.entry)
            absences.add(row.index, entry, row.payload)
            if row.payload is not None:
                payloads.add(_write_payload(out, row.payload, entry.payload_hash))
        edge, tiles = edge.append([hash_leaf(row.entry) for row in rows])
        for tile, hashes in tiles:
            if tile.is_full:
                _write_tile(reader, out, tile, hashes)
        report(start + len(rows), tree.size)
    for tile in partial_tiles(tree.size):
        _write_tile(reader, out, tile, edge.rows[tile.level])
    if edge.root() != tree.root:
        raise TrustlogError("LOG_CORRUPT", "the entries do not have the root that was signed", expected=tree.root.hex())
    for sha256 in reader.blob_hashes():
        blob = reader.blob(sha256)
        if blob is not None:
            payloads.add(_write_payload(out, blob, sha256))
    _write_file(out / "checkpoint", tree.note)
    return tree, len(payloads), absences


def _write_tile(reader: LogReader, out: Path, tile: Tile, hashes: bytes) -> None:
    if reader.tiles([tile]) != [hashes]:
        raise TrustlogError("LOG_CORRUPT", "a stored tile is not what the entries make it", param=tile.path())
    _write_file(out / tile.path(), hashes)


def _write_payload(out: Path, payload: bytes, sha256: bytes) -> bytes:
    """Write `payload` under `sha256`, which must be its hash; that."""
    if hashlib.sha256(payload).digest() != sha256:
        raise TrustlogError(
            "LOG_CORRUPT", "a stored payload has another hash", param="payload", expected=encode_b64u(sha256)
        )
    path = out / "payloads" / sha256.hex()[:2] / sha256.hex()
    if not path.exists():
        _write_file(path, payload)
    return sha256


def _write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _put_in_place(made: Path, out: Path, replaced: Path) -> None:
    if out.exists():
        out.rename(replaced)  # goes with the temporary directory
    made.rename(out)
