"""Reading what others will rely on: nothing stored leaves before it was hashed up to the root that the log has signed.

A disk can flip a bit, and a proof or an immutable tile with it would be cached for years. So each tile is compared with its hash in
the tile above it, up to the right edge of the tree, and the edge with the signed root; each entry with its hash in its tile. Full
tiles that were checked are kept for a while: those of the upper levels serve nearly every proof.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.note import VerifierKey
from trustlog.log.recovery import open_signed
from trustlog.merkle.edge import Edge, partial_tiles
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import Node, prove_consistency, prove_inclusion
from trustlog.merkle.tilerows import TileRows, locate
from trustlog.merkle.tiles import TILE_WIDTH, Tile, tile_width
from trustlog.storage.connection import StorageFailed
from trustlog.storage.guard import SignedTree
from trustlog.storage.log_reader import LogReader, StoredEntry
from trustlog.storage.segment import split_entries

KEPT_TILES: Final = 512  # about 60 KB each with the nodes above it; 256 of the level above cover 16 million entries

_Place = tuple[int, int]  # a tile's level and index


class VerifiedReader:
    """Reads of the stored log under a published tree. For one thread; raises StorageFailed(LOG_CORRUPT) for what is not right."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._full: OrderedDict[_Place, TileRows] = OrderedDict()
        self._edge_of: SignedTree | None = None
        self._edge: Mapping[_Place, TileRows] = {}

    def tile(self, tile: Tile, tree: SignedTree) -> bytes:
        """A tile of `tree`, or the beginning of one."""
        return self._rows((tile.level, tile.index), tree).content[: tile.byte_size]

    def bundle(self, index: int, width: int, tree: SignedTree) -> bytes:
        """The first `width` entries of entry bundle `index`, as C2SP tlog-tiles writes them."""
        bundle, start = self._reader.bundle(index, width), index * TILE_WIDTH
        leaf_hashes = [hash_leaf(entry) for entry in split_entries(start, width, bundle)]
        if leaf_hashes != self._rows((0, index), tree).rows[0][:width]:
            raise _corrupt(f"an entry between {start} and {start + width} is not the one that was logged", "entries")
        return bundle

    def stored(self, index: int, tree: SignedTree) -> StoredEntry:
        """What is stored at `index`, below the size of `tree`; its payload is as unchecked as in the log reader."""
        stored = self._reader.stored(index)
        if stored is None or hash_leaf(stored.entry) != self.leaf_hash(index, tree):
            raise _corrupt(f"entry {index} is not the one that was logged", "entries")
        return stored

    def leaf_hash(self, index: int, tree: SignedTree) -> bytes:
        """The leaf hash at `index`, below the size of `tree`."""
        return self._rows((0, index // TILE_WIDTH), tree).rows[0][index % TILE_WIDTH]

    def inclusion(self, index: int, tree: SignedTree, *, size: int | None = None) -> list[bytes]:
        """That the leaf at `index` is in `tree`, or in the one of `size` leaves that begins it."""
        return prove_inclusion(lambda nodes: self._nodes(nodes, tree), index, tree.size if size is None else size)

    def consistency(self, old_size: int, tree: SignedTree, *, size: int | None = None) -> list[bytes]:
        """That the tree of `old_size` leaves begins `tree`, or the one of `size` leaves that begins that."""
        return prove_consistency(lambda nodes: self._nodes(nodes, tree), old_size, tree.size if size is None else size)

    def _nodes(self, nodes: Sequence[Node], tree: SignedTree) -> list[bytes]:
        hashes = []
        for level, index in nodes:
            tile_level, tile_index, height, position = locate(level, index)
            hashes.append(self._rows((tile_level, tile_index), tree).rows[height][position])
        return hashes

    def _rows(self, place: _Place, tree: SignedTree) -> TileRows:
        """The tile at `place`, as wide as it is in `tree`."""
        level, index = place
        if tile_width(level, index, tree.size) < TILE_WIDTH:
            return self._read_edge(tree)[place]
        kept = self._full.get(place)
        if kept is None:
            (content,) = self._reader.tiles([Tile(level, index)])
            kept = TileRows(content)
            above, position = divmod(index, TILE_WIDTH)
            if kept.root != self._rows((level + 1, above), tree).rows[0][position]:
                raise _corrupt("a stored tile is not what the tile above it says", Tile(level, index).path())
            self._full[place] = kept
            if len(self._full) > KEPT_TILES:
                self._full.popitem(last=False)
        else:
            self._full.move_to_end(place)
        return kept

    def _read_edge(self, tree: SignedTree) -> Mapping[_Place, TileRows]:
        """The partial tiles of `tree`, checked against its root."""
        if self._edge_of is None or self._edge_of.size != tree.size:
            try:
                edge = Edge.from_tiles(tree.size, self._reader.tiles)
            except Refused as error:
                raise _corrupt(error.detail, "tiles") from error
            if edge.root() != tree.root:
                raise _corrupt("the tiles at the right edge do not have the root that was signed", "tiles")
            self._edge = {(t.level, t.index): TileRows(edge.rows[t.level]) for t in partial_tiles(tree.size)}
            self._edge_of = tree
        return self._edge


def check_stored_checkpoint(note: bytes, size: int, vkey: str) -> bytes:
    """`note` if it is a checkpoint of the tree of `size` leaves by the log's key `vkey`. Raises StorageFailed(LOG_CORRUPT)."""
    try:
        key = VerifierKey.parse(vkey)
        if open_signed(note, key).size == size:
            return note
    except Refused as error:
        raise _corrupt(f"the checkpoint of size {size} is not what was signed: {error.detail}", "checkpoints") from error
    raise _corrupt(f"the checkpoint of size {size} is of another tree", "checkpoints")


def _corrupt(detail: str, param: str) -> StorageFailed:
    return StorageFailed("LOG_CORRUPT", detail, param=param)
