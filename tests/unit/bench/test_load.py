"""A load is the same whoever signed which part of it, and leaves nothing behind."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from trustlog.bench.load import Load, prepare_load
from trustlog.bench.receipts import Recipe
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.keys.signer import SeedSigner

RECIPE = Recipe(
    (SeedSigner(bytes(32)), SeedSigner(b"1" * 32)), run="0123", issued_at="2026-01-01T00:00:00Z", origin="log.example/bench"
)


@pytest.mark.parametrize(("count", "processes"), [(1, 1), (30, 1), (30, 4), (2500, 2)])
def test_a_prepared_load_gives_the_receipts_and_hashes_of_its_recipe(count: int, processes: int) -> None:
    told: list[tuple[int, int]] = []
    file = prepare_load(RECIPE, count, processes=processes, report=lambda done, total: told.append((done, total)))
    makers = RECIPE.makers()
    made = [makers.make(number) for number in range(count)]
    with Load(file) as load:
        assert load.count == count
        assert bytes(load.lines(0, count)) == b"".join(envelope + b"\n" for envelope, _ in made)
        last = min(9, count)
        assert bytes(load.lines(last - 1, last)) == made[last - 1][0] + b"\n"
        assert load.leaf_hash_texts(0, count) == [encode_b64u(leaf_hash) for _, leaf_hash in made]
        assert load.leaf_hash(count - 1) == made[count - 1][1]
    assert told[-1] == (count, count)
    file.remove()
    assert not file.path.exists()


def test_where_there_is_no_room_nothing_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(Refused, match="No space left") as raised:
        prepare_load(RECIPE, 5, processes=1, report=lambda _done, _total: None)
    assert raised.value.code == "STORAGE_FAILED"
    assert list(tmp_path.iterdir()) == []
