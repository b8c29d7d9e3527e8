"""Signed notes, tile paths and log proofs as golang/mod, C2SP and transparency-dev/formats publish them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.conformance.shared import VECTORS, load_json, needs_vectors
from trustlog.errors import Refused
from trustlog.formats.logproof import parse_log_proof
from trustlog.formats.note import VerifierKey, open_note, parse_note
from trustlog.merkle.tiles import Tile, parse_entry_bundle_path, parse_tile_path, tiles_of_size

pytestmark = needs_vectors


def cases(name: str) -> list[Any]:
    path = VECTORS / "derived" / f"{name}.json"
    return list(load_json(path)["cases"]) if path.is_file() else []


@pytest.mark.parametrize("case", cases("signed_note_cases"), ids=lambda case: case["id"])
def test_signed_notes(case: Any) -> None:
    body = base64.b64decode(case["note_b64"]) if "note_b64" in case else case["note"].encode()
    keys = [VerifierKey.parse(vkey) for vkey in case["keys"]]
    if not case["ok"]:
        with pytest.raises(Refused, match="NOTE_"):
            open_note(body, keys)
        return
    opened = open_note(body, keys)
    assert len(opened.verified) == case["verified"]
    assert len(opened.unverified) == case["unverified"]
    assert parse_note(body).encode() == body
    assert [VerifierKey.parse(key.encode()) for key in keys] == keys


def test_keys_of_a_wrong_length_or_type_are_refused_though_their_id_fits() -> None:
    bad = load_json(VECTORS / "derived" / "signed_note_cases.json")["bad_vkeys"]
    assert len(bad) == 2
    for case in bad:
        with pytest.raises(Refused, match="NOTE_MALFORMED"):
            VerifierKey.parse(case["vkey"])


def test_tile_paths() -> None:
    paths = load_json(VECTORS / "derived" / "tile_paths.json")
    for path, tile in paths["sumdb_paths"]:
        # These name the tile height first, and give a full tile of height H the width 2^H.
        without_height = "tile/" + path.split("/", 2)[2]
        if tile is None:
            with pytest.raises(Refused):
                parse_tile_path(without_height)
            continue
        height, level, index, width = tile
        partial = width != 1 << height
        if level == -1:  # their name for the data of leaves, which is another resource here
            assert parse_entry_bundle_path(without_height.replace("data", "entries")) == (index, 256)
        else:
            expected = Tile(level, index, width) if partial else Tile(level, index)
            assert parse_tile_path(without_height) == expected
            assert expected.path() == without_height
    for index, path in paths["tlog_tiles_index_paths"]:
        assert Tile(0, index).path() == f"tile/0/{path}"
        assert parse_entry_bundle_path(f"tile/entries/{path}") == (index, 256)


def test_the_tiles_of_the_specifications_tree() -> None:
    example = load_json(VECTORS / "derived" / "tile_paths.json")["tlog_tiles_partial_example"]
    tiles = list(tiles_of_size(example.pop("tree_size")))
    found: dict[str, int] = {}
    for level in range(3):
        full = sum(tile.is_full for tile in tiles if tile.level == level)
        found |= {f"level{level}_full": full} if full else {}
        found |= {f"level{level}_partial": tile.width for tile in tiles if tile.level == level and not tile.is_full}
    assert found == example


@pytest.mark.parametrize("case", cases("tlog_proof_syntax"), ids=lambda case: case["id"])
def test_log_proofs(case: Any) -> None:
    body = case["proof"].encode()
    if case["ok"]:
        assert parse_log_proof(body).encode() == body
    else:
        with pytest.raises(Refused, match="LOG_PROOF_MALFORMED"):
            parse_log_proof(body)
