"""Reads ranges of entry bundles: hashes, the tile beside each, and as much of each entry as was asked for.

This is the part of reading a log that needs no order, so that any process may do any range. The rules of records are
imported by those that ask for them: a worker that only computes hashes starts in half the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from verifier.entry import EntryMatch, match_entry
from verifier.errors import Refused
from verifier.source import Source, read_bundles, read_tiles
from verifier.tiles import TILE_WIDTH, Tile, compute_tile_root, width_at
from verifier.tree import HASH_SIZE

if TYPE_CHECKING:
    from verifier.ledger.prepared import Keep, Prepared, Unopened


@dataclass(frozen=True, slots=True)
class Look:
    """How much of each entry is looked at.

    `grammar`: whether it is an entry. `deep`: signature, payload and record as well, for the log of `origin`;
    `keep` says what of it the ledger needs. Signatures of entries below `signed_below` were checked before.
    """

    grammar: bool = False
    deep: bool = False
    origin: str = ""
    keep: Keep | None = None
    signed_below: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What every range of one log is read for. `size` is of the tree, in entries.

    The leaf hashes of the bundles in `with_leaves` are wanted themselves; of the others a subtree's hash is enough.
    """

    location: str
    size: int
    look: Look
    with_leaves: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class BundleRead:
    """One entry bundle. `subtree` is the hash over it if it is full; `leaves` are joined leaf hashes, if wanted.

    `malformed` are the indexes of what is no entry; `prepared` is what was read of the entries: see `items`.
    """

    first: int
    width: int
    subtree: bytes | None
    leaves: bytes
    malformed: tuple[int, ...]
    prepared: tuple[Prepared | Unopened | None, ...]

    def items(self) -> Iterator[tuple[int, Prepared | Unopened]]:
        """What was read of the entries in index order, each with its index; of a row of them that of the first."""
        index = self.first
        for item in self.prepared:
            if item is not None:
                yield index, item
            index += 1 if item is None else item.width


def read_range(source: Source, plan: Plan, numbers: range) -> list[BundleRead]:
    """Read the entry bundles with these numbers. Raises Refused and Unavailable for what is wrong or not there."""
    widths = [width_at(0, number, plan.size) for number in numbers]
    bundles = read_bundles(source, [Tile(None, number, width) for number, width in zip(numbers, widths, strict=True)])
    tiles = [Tile(0, number, width) for number, width in zip(numbers, widths, strict=True)]
    served = read_tiles(source, tiles)
    return [
        _read_bundle(source, plan, tile, entries, hashes)
        for tile, entries, hashes in zip(tiles, bundles, served, strict=True)
    ]


def _read_bundle(source: Source, plan: Plan, tile: Tile, entries: list[bytes], served: bytes) -> BundleRead:
    leaves = b"".join([sha256(b"\x00" + entry).digest() for entry in entries])
    check_tile(tile, served, leaves)
    first, look = tile.index * TILE_WIDTH, plan.look
    is_full = tile.width == TILE_WIDTH
    matches = [match_entry(data) for data in entries] if look.grammar or look.deep else []
    return BundleRead(
        first=first,
        width=tile.width,
        subtree=compute_tile_root(leaves) if is_full else None,
        leaves=leaves if not is_full or tile.index in plan.with_leaves else b"",
        malformed=tuple([index for index, match in enumerate(matches, start=first) if match is None]),
        prepared=tuple(_prepare_all(source, look, first, matches, leaves)) if look.deep else (),
    )


def _prepare_all(
    source: Source, look: Look, first: int, matches: list[EntryMatch | None], leaves: bytes
) -> Iterator[Prepared | Unopened | None]:
    from verifier.ledger.rows import RowReader  # noqa: PLC0415

    reader = RowReader(first, leaves, look.origin, look.keep, look.signed_below)
    return reader.read(source, matches)


def check_tile(tile: Tile, served: bytes, computed: bytes) -> None:
    """Compare a tile's joined hashes with those that the entries give.

    Raises Refused TILE_INVALID, naming the first wrong hash.
    """
    if served == computed:
        return
    at = next(
        at for at in range(0, len(computed), HASH_SIZE) if served[at : at + HASH_SIZE] != computed[at : at + HASH_SIZE]
    )
    expected, found = computed[at : at + HASH_SIZE].hex(), served[at : at + HASH_SIZE].hex()
    raise Refused("TILE_INVALID", f"{tile.path}, hash {at // HASH_SIZE}", expected=expected, found=found)
