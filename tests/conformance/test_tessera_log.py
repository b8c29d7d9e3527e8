"""A complete log that Tessera wrote: every checkpoint, tile and entry bundle, read by our code."""

from __future__ import annotations

import pytest

from tests.conformance.shared import VECTORS, needs_vectors
from trustlog.errors import Refused
from trustlog.formats.bundle import encode_bundle, parse_bundle
from trustlog.formats.checkpoint import Checkpoint, parse_checkpoint
from trustlog.formats.note import Note, VerifierKey, open_note, parse_note
from trustlog.formats.trustpolicy import TrustPolicy, open_checkpoint
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import (
    check_consistency,
    check_inclusion,
    compute_root,
    prove_consistency,
    prove_inclusion,
)
from trustlog.merkle.tiles import Tile, TileNodes, entry_bundle_path

pytestmark = needs_vectors

LOG = VECTORS / "tessera_testlog" / "testdata" / "log"
VKEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
TRUST = TrustPolicy.parse(f"allow_unwitnessed = true\n[log]\npolicy = '''log {VKEY}\nquorum none'''\n".encode())
SIZES = range(16)


def read_tiles(tiles: list[Tile]) -> list[bytes]:
    return [(LOG / tile.path()).read_bytes() for tile in tiles]


def read_checkpoint(size: int) -> Checkpoint:
    return open_checkpoint((LOG / f"checkpoint.{size}").read_bytes(), TRUST).checkpoint


def nodes(size: int) -> TileNodes:
    return TileNodes(lambda tiles: read_tiles(list(tiles)), size)


@pytest.mark.parametrize("size", SIZES)
def test_every_checkpoint_has_the_root_of_its_tiles_and_of_its_entries(size: int) -> None:
    checkpoint = read_checkpoint(size)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/log/testdata", size)
    assert compute_root(nodes(size), size) == checkpoint.root
    assert Edge.from_tiles(size, lambda tiles: read_tiles(list(tiles))).root() == checkpoint.root
    if size:
        body = (LOG / entry_bundle_path(0, size)).read_bytes()
        entries = parse_bundle(body, size)
        assert encode_bundle(entries) == body
        assert Edge.empty().append([hash_leaf(entry) for entry in entries])[0].root() == checkpoint.root


def test_the_current_checkpoint_is_the_largest() -> None:
    assert (LOG / "checkpoint").read_bytes() == (LOG / "checkpoint.15").read_bytes()


def test_all_15_entries_are_proven_under_every_checkpoint_that_covers_them() -> None:
    entries = parse_bundle((LOG / entry_bundle_path(0, 15)).read_bytes(), 15)
    assert entries[0] == b"one"
    for size in SIZES:
        root = read_checkpoint(size).root
        for index in range(size):
            check_inclusion(prove_inclusion(nodes(size), index, size), index, size, hash_leaf(entries[index]), root)


def test_all_checkpoints_are_consistent() -> None:
    for new in SIZES:
        for old in range(1, new + 1):
            roots = read_checkpoint(old).root, read_checkpoint(new).root
            check_consistency(prove_consistency(nodes(new), old, new), old, new, *roots, empty_old_ok=False)


def test_a_checkpoint_with_any_byte_of_its_text_changed_is_refused() -> None:
    note = (LOG / "checkpoint.15").read_bytes()
    key = VerifierKey.parse(VKEY)
    for at in range(len(parse_note(note).text)):
        changed = note[:at] + bytes([note[at] ^ 1]) + note[at + 1 :]
        with pytest.raises(Refused):
            open_note(changed, [key])


def test_signatures_do_not_move_between_checkpoints() -> None:
    notes = [parse_note((LOG / f"checkpoint.{size}").read_bytes()) for size in (14, 15)]
    swapped = Note(notes[0].text, notes[1].signatures).encode()
    with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
        open_checkpoint(swapped, TRUST)
    assert parse_checkpoint(notes[0].text).size == 14
