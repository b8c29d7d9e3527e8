"""RFC 6962 as its reference implementations test it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.vectors import VECTORS, cases, load, needs_vectors
from verifier.errors import Refused
from verifier.tiles import format_index, parse_tile_path, width_at
from verifier.tree import check_consistency, check_inclusion, compute_root, hash_leaf

MERKLE = "transparency-dev_merkle/testdata"


def decode(value: str | None) -> bytes:
    return base64.b64decode(value or "")


def hashes(case: dict[str, Any]) -> list[bytes]:
    return [decode(value) for value in case["proof"] or []]


@needs_vectors
@pytest.mark.parametrize("path", cases(f"{MERKLE}/inclusion"), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_inclusion_vectors(path: Path) -> None:
    case = load(path)
    size, root = case["treeSize"], decode(case["root"])
    if case["wantErr"]:
        with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
            check_inclusion(hashes(case), case["leafIdx"], size=size, leaf_hash=decode(case["leafHash"]), root=root)
    else:
        check_inclusion(hashes(case), case["leafIdx"], size=size, leaf_hash=decode(case["leafHash"]), root=root)


@needs_vectors
@pytest.mark.parametrize("path", cases(f"{MERKLE}/consistency"), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_consistency_vectors(path: Path) -> None:
    case = load(path)
    old, new = (case["size1"], decode(case["root1"])), (case["size2"], decode(case["root2"]))
    if case["wantErr"]:
        with pytest.raises(Refused, match="CONSISTENCY_PROOF_INVALID"):
            check_consistency(hashes(case), old, new, empty_old_ok=False)
    else:
        check_consistency(hashes(case), old, new, empty_old_ok=False)


@needs_vectors
def test_every_vector_was_found() -> None:
    assert len(cases(f"{MERKLE}/inclusion")) == 98
    assert len(cases(f"{MERKLE}/consistency")) == 98


@needs_vectors
def test_the_reference_tree() -> None:
    tree = load(VECTORS / "derived/rfc6962_reference_tree.json")
    leaves = [hash_leaf(bytes.fromhex(value)) for value in tree["leaf_inputs_hex"]]
    assert [leaf.hex() for leaf in leaves] == tree["leaf_hashes_hex"]
    assert [compute_root(leaves[:size]).hex() for size in range(9)] == tree["roots_hex_by_size"]


@needs_vectors
def test_tile_paths() -> None:
    paths = load(VECTORS / "derived/tile_paths.json")
    for index, text in paths["tlog_tiles_index_paths"]:
        assert format_index(index) == text
        assert parse_tile_path(f"tile/0/{text}").index == index
    for path, parsed in paths["sumdb_paths"]:
        without_height = "/".join(["tile", *path.split("/")[2:]])
        if parsed is None:
            with pytest.raises(Refused, match="TILE_INVALID"):
                parse_tile_path(without_height)
        elif parsed[1] >= 0:
            tile = parse_tile_path(without_height)
            assert (tile.level, tile.index, tile.path) == (parsed[1], parsed[2], without_height)
    example = paths["tlog_tiles_partial_example"]
    size, full = example["tree_size"], [example["level0_full"], example["level1_full"], 0]
    for level, tiles in enumerate(full):
        widths = [width_at(level, index, size) for index in range(tiles + 2)]
        assert widths == [*([256] * tiles), example[f"level{level}_partial"], 0]
    assert width_at(3, 0, size) == 0


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/1",
        "tile/0/0001",
        "tile/0/x000/001",
        "tile/00/001",
        "tile/64/001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001/",
        "tile/data/001",
        "/tile/0/001",
        "tile/0/..",
        "tile/0/00\u0661",
    ],
)
def test_a_tile_path_with_another_spelling_is_refused(path: str) -> None:
    with pytest.raises(Refused, match="TILE_INVALID"):
        parse_tile_path(path)
