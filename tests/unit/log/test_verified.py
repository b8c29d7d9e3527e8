"""What is served was hashed up to the signed root first: whatever is changed in the store is found, and nothing else is refused."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from trustlog.formats.bundle import encode_bundle
from trustlog.log.proving import Prover
from trustlog.log.verified import VerifiedReader
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.tiles import TILE_WIDTH, Tile, tile_width, tiles_of_size
from trustlog.storage.connection import StorageFailed, create_database
from trustlog.storage.guard import SignedTree
from trustlog.storage.log_reader import LogReader
from trustlog.storage.log_writer import LogWriter, NewEntry
from trustlog.storage.schema import LOG

SIZE = 66_000  # full tiles of two levels, and a partial one of three


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SignedTree]:
    path = tmp_path_factory.mktemp("log") / "log.db"
    create_database(path, LOG)
    edge = Edge.empty()
    with closing(LogWriter.open(path)) as writer:
        for start in range(0, SIZE, 4096):
            entries = [b"entry %05d" % number for number in range(start, min(start + 4096, SIZE))]
            grown, tiles = edge.append([hash_leaf(entry) for entry in entries])
            new = [NewEntry(entry, b"{}", None, hashlib.sha256(entry).digest(), [], governs=False) for entry in entries]
            writer.append(edge.size, new, tiles)
            edge = grown
    return path, SignedTree(SIZE, edge.root(), b"")


@pytest.fixture
def store(made: tuple[Path, SignedTree], tmp_path: Path) -> Iterator[tuple[Path, LogReader, SignedTree]]:
    """A copy that a test may damage."""
    path = tmp_path / "log.db"
    path.write_bytes(made[0].read_bytes())
    with closing(LogReader(path)) as reader:
        yield path, reader, made[1]


ENTRIES = ("SELECT entries FROM segments WHERE first = ?", "UPDATE segments SET entries = ? WHERE first = ?")
TILES = ("SELECT hashes FROM tiles WHERE id = ?", "UPDATE tiles SET hashes = ? WHERE id = ?")


def flip(path: Path, column: tuple[str, str], row: int, at: int) -> None:
    """Change one bit of the byte at `at`."""
    read, write = column
    with closing(sqlite3.connect(path)) as connection, connection:
        changed = bytearray(connection.execute(read, (row,)).fetchone()[0])
        changed[at] ^= 1
        connection.execute(write, (bytes(changed), row))


def test_proofs_of_every_kind_are_those_of_the_plain_prover(store: tuple[Path, LogReader, SignedTree]) -> None:
    _, reader, tree = store
    verified = VerifiedReader(reader)
    for size in (1, 255, 256, 257, 65_535, 65_536, 65_537, SIZE):
        prover = Prover(reader, size)
        for index in {0, size // 3, size - 1}:
            assert verified.inclusion(index, tree, size=size) == prover.inclusion(index)
        for old in {0, 1, size // 2, size - 1, size}:
            assert verified.consistency(old, tree, size=size) == prover.consistency(old)


def test_tiles_bundles_and_entries_are_what_is_stored(store: tuple[Path, LogReader, SignedTree]) -> None:
    _, reader, tree = store
    verified = VerifiedReader(reader)
    for tile in tiles_of_size(SIZE):
        narrower = Tile(tile.level, tile.index, max(1, tile.width // 2))
        assert [verified.tile(tile, tree)] == reader.tiles([tile])
        assert verified.tile(narrower, tree) == reader.tiles([tile])[0][: narrower.byte_size]
    for index in (0, 255, 256, SIZE // TILE_WIDTH):
        width = tile_width(0, index, SIZE)
        assert verified.bundle(index, width, tree) == encode_bundle(reader.entries(index * 256, index * 256 + width))
        assert verified.stored(index * 256, tree).entry == b"entry %05d" % (index * 256)


LAST = SIZE // TILE_WIDTH  # the partial tile of level 0


@pytest.mark.parametrize("index", [0, 3 * 256 + 17, SIZE - 1])
def test_a_changed_entry_is_found(store: tuple[Path, LogReader, SignedTree], index: int) -> None:
    path, reader, tree = store
    bundle = index // TILE_WIDTH
    flip(path, ENTRIES, bundle * TILE_WIDTH, -1 if index == SIZE - 1 else (index % 256) * 13 + 8)
    verified = VerifiedReader(reader)
    with pytest.raises(StorageFailed, match="LOG_CORRUPT"):
        verified.bundle(bundle, tile_width(0, bundle, SIZE), tree)
    assert verified.inclusion(index, tree)  # the tree itself is whole


@pytest.mark.parametrize(("level", "tile"), [(0, 0), (0, 200), (0, LAST), (1, 0), (1, 1), (2, 0)])
@pytest.mark.parametrize("at", [0, -1])
def test_a_changed_tile_is_found_by_whoever_needs_it(
    store: tuple[Path, LogReader, SignedTree], level: int, tile: int, at: int
) -> None:
    path, reader, tree = store
    flip(path, TILES, level << 48 | tile, at)
    verified = VerifiedReader(reader)
    with pytest.raises(StorageFailed, match="LOG_CORRUPT"):
        verified.tile(Tile(level, tile, tile_width(level, tile, SIZE)), tree)
    index = min((tile << (8 * (level + 1))) + (0 if at == 0 else 255 << (8 * level)), SIZE - 1)
    with pytest.raises(StorageFailed, match="LOG_CORRUPT"):
        verified.leaf_hash(index, tree)


def test_a_tile_kept_in_memory_serves_a_larger_tree_of_the_same_log(store: tuple[Path, LogReader, SignedTree]) -> None:
    _, reader, tree = store
    verified = VerifiedReader(reader)
    smaller = SignedTree(65_600, Prover(reader, 65_600).root(), b"")
    assert verified.inclusion(5, smaller) == Prover(reader, 65_600).inclusion(5)
    assert verified.inclusion(5, tree) == Prover(reader, SIZE).inclusion(5)
    assert verified.tile(Tile(1, 0), tree) == reader.tiles([Tile(1, 0)])[0]
