from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.merkle.reference import leaf_hashes, mth
from trustlog.errors import Refused
from trustlog.merkle.edge import Edge
from trustlog.merkle.proofs import check_consistency, check_inclusion, compute_root, prove_consistency, prove_inclusion
from trustlog.merkle.tiles import Tile, TileNodes, parse_tile_path, tiles_of_size

MOST = 66_000
LEAVES = leaf_hashes(MOST)
BOUNDARIES = [255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, 65_793]


def grow(sizes: Sequence[int]) -> tuple[Edge, dict[Tile, bytes]]:
    """The edge and all tiles ever written of a tree that grew through these sizes."""
    edge, tiles = Edge.empty(), dict[Tile, bytes]()
    for size in sizes:
        edge, new = edge.append(LEAVES[edge.size : size])
        tiles.update(new)
    return edge, tiles


def test_the_root_is_the_recomputed_one_at_every_size_to_1000() -> None:
    edge = Edge.empty()
    assert edge.root() == mth([])
    for size in range(1, 1001):
        edge, _ = edge.append([LEAVES[size - 1]])
        assert edge.size == size
        assert edge.root() == mth(LEAVES[:size])


@pytest.mark.parametrize("size", BOUNDARIES)
def test_the_root_is_the_recomputed_one_around_full_tiles(size: int) -> None:
    edge, tiles = grow([size])
    assert edge.root() == mth(LEAVES[:size])
    assert set(tiles) == set(tiles_of_size(size))


def test_growing_one_by_one_over_a_full_second_level() -> None:
    edge, tiles = grow([65_530])
    for size in range(65_531, 65_540):
        edge, new = edge.append([LEAVES[size - 1]])
        tiles.update(new)
        assert edge == grow([size])[0]
        assert edge == Edge.from_tiles(size, lambda wanted: [tiles[t] for t in wanted])


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=12))
def test_how_it_grew_does_not_matter(sizes: list[int]) -> None:
    sizes = sorted(sizes)
    edge, tiles = grow(sizes)
    at_once, tiles_at_once = grow(sizes[-1:])
    assert edge == at_once
    assert edge.root() == mth(LEAVES[: sizes[-1]])
    for size in sizes:  # whatever a checkpoint of any of these sizes needs was written
        for tile in tiles_of_size(size):
            assert len(tiles[tile]) == tile.byte_size
    for tile in tiles_of_size(sizes[-1]):
        assert tiles[tile] == tiles_at_once[tile]
        assert parse_tile_path(tile.path()) == tile
    assert Edge.from_tiles(sizes[-1], lambda wanted: [tiles[t] for t in wanted]) == edge


def test_full_tiles_come_before_partial_ones_and_unchanged_ones_not_at_all() -> None:
    edge, _ = grow([300])
    edge, new = edge.append(LEAVES[300:301])
    assert [tile for tile, _ in new] == [Tile(0, 1, 45)]
    edge, new = edge.append(LEAVES[301:520])
    assert [tile for tile, _ in new] == [Tile(0, 1), Tile(0, 2, 8), Tile(1, 0, 2)]
    assert edge.append([]) == (edge, [])


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 1000, 65_536, 65_537, MOST])
def test_proofs_from_tiles_hold(size: int) -> None:
    edge, tiles = grow([size])
    calls: list[int] = []

    def read_tiles(wanted: Sequence[Tile]) -> list[bytes]:
        calls.append(len(wanted))
        assert len(set(wanted)) == len(wanted)
        return [tiles[t] for t in wanted]

    nodes = TileNodes(read_tiles, size)
    assert compute_root(nodes, size) == edge.root()
    for index in sorted({0, size // 3, size // 2, size - 2, size - 1} - {-1}):
        check_inclusion(prove_inclusion(nodes, index, size), index, size, LEAVES[index], edge.root())
    for old in sorted({1, 255, 256, 257, size // 2, size - 1, size}):
        if 1 <= old <= size:
            hashes = prove_consistency(nodes, old, size)
            check_consistency(hashes, old, size, grow([old])[0].root(), edge.root(), empty_old_ok=False)
    assert max(calls) <= 6, "a proof needs few tiles"


def test_a_tile_of_a_wrong_length_is_refused() -> None:
    _, tiles = grow([300])
    for damaged in (b"", tiles[Tile(0, 0)][:-1], tiles[Tile(0, 0)] + bytes(32)):
        tiles[Tile(0, 0)] = damaged
        with pytest.raises(Refused, match="TILE_MALFORMED"):
            prove_inclusion(TileNodes(lambda wanted: [tiles[t] for t in wanted], 300), 3, 300)
    with pytest.raises(Refused, match="TILE_MALFORMED"):
        Edge.from_tiles(300, lambda wanted: [bytes(32)] * len(wanted))
