"""Proofs for a pack: right at every size, and never made from what the checkpoint does not sign."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support import payloads
from tests.unit.evidence.memory_source import MemorySource
from trustlog.errors import Refused
from trustlog.evidence.proving import prove
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_consistency, check_inclusion
from trustlog.merkle.tiles import Tile


def filled(size: int) -> MemorySource:
    source = MemorySource()
    for number in range(size):
        source.log("gateway_receipt", payloads.gateway_receipt(receipt_id=f"receipt-{number}"))
    return source


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 21, 64, 255, 256, 257, 300])
async def test_every_entry_and_every_earlier_tree_is_proven(size: int) -> None:
    source = filled(size)
    proofs = await prove(source, dict(enumerate(source.data)), range(size + 1))
    for index, data in enumerate(source.data):
        check_inclusion(proofs.inclusion[index], index, size, hash_leaf(data), source.root)
    assert [view.size for view in proofs.views] == list(range(size + 1))
    for view in proofs.views:
        edge, _ = Edge.empty().append([hash_leaf(data) for data in source.data[: view.size]])
        assert view.root == edge.root()
        check_consistency(view.consistency_proof, view.size, size, view.root, source.root, empty_old_ok=True)


async def test_another_entry_at_an_index_is_refused() -> None:
    source = filled(9)
    with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
        await prove(source, {4: source.data[5]}, ())


async def test_an_index_beyond_the_tree_is_refused() -> None:
    source = filled(3)
    with pytest.raises(Refused, match="PARAMETER_INVALID"):
        await prove(source, {3: source.data[0]}, ())


async def test_a_false_tile_ends_as_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    source = filled(9)
    true = source.tiles

    async def lie(tiles: Sequence[Tile]) -> list[bytes]:
        return [bytes([content[0] ^ 1]) + content[1:] for content in await true(tiles)]

    monkeypatch.setattr(source, "tiles", lie)
    with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
        await prove(source, {5: source.data[5]}, ())
    with pytest.raises(Refused, match="CONSISTENCY_PROOF_INVALID"):
        await prove(source, {}, [5])


async def test_a_tile_of_another_length_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = filled(9)
    true = source.tiles

    async def cut(tiles: Sequence[Tile]) -> list[bytes]:
        return [content[:-1] for content in await true(tiles)]

    monkeypatch.setattr(source, "tiles", cut)
    with pytest.raises(Refused, match="TILE_MALFORMED"):
        await prove(source, {5: source.data[5]}, ())
