from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustlog.errors import Refused
from trustlog.merkle.tiles import (
    Tile,
    entry_bundle_path,
    node_location,
    parse_entry_bundle_path,
    parse_tile_path,
    tile_width,
    tiles_of_size,
)


def test_the_tiles_of_the_specifications_example() -> None:
    tiles = list(tiles_of_size(70_000))
    assert tiles[:273] == [Tile(0, i) for i in range(273)]
    assert tiles[273:] == [Tile(0, 273, 112), Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(tiles_of_size(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of_size(0)) == []


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/x001/x000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/05",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/entries/000",
        "tile/0/" + "x999/" * 7 + "999",
    ],
)
def test_what_is_not_the_one_spelling_of_a_tile_is_not_found(path: str) -> None:
    with pytest.raises(Refused, match="NOT_FOUND"):
        parse_tile_path(path)


@pytest.mark.parametrize(
    "path", ["tile/0/000", "tile/entries/0", "tile/entries/000.p/256", "tile/entries/x000/000", "entries/000"]
)
def test_what_is_not_the_one_spelling_of_an_entry_bundle_is_not_found(path: str) -> None:
    with pytest.raises(Refused, match="NOT_FOUND"):
        parse_entry_bundle_path(path)


@given(st.integers(0, 63), st.integers(0, 10**18), st.integers(1, 256))
def test_a_path_names_one_tile(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert parse_tile_path(tile.path()) == tile
    assert parse_entry_bundle_path(entry_bundle_path(index, width)) == (index, width)


def test_nodes_are_slices_of_tiles() -> None:
    assert node_location(0, 300, 70_000) == (Tile(0, 1), 44, 45)
    assert node_location(7, 1, 300) == (Tile(0, 0), 128, 256)
    assert node_location(8, 0, 256) == (Tile(1, 0, 1), 0, 1)
    assert node_location(9, 0, 70_000) == (Tile(1, 0), 0, 2)
    assert node_location(16, 0, 70_000) == (Tile(2, 0, 1), 0, 1)
    with pytest.raises(AssertionError):
        node_location(1, 2, 5)


@given(st.integers(0, 2**40))
def test_widths_add_up_to_the_nodes_of_each_level(size: int) -> None:
    for level in range(6):
        complete = size >> (8 * level)
        last = complete // 256
        assert tile_width(level, last, size) == complete % 256
        assert tile_width(level, last + 1, size) == 0
        assert last == 0 or tile_width(level, last - 1, size) == 256
