"""The cells of the table of taken keys: how many there are, and that no digest is taken for a free cell or for another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from verifier.ledger.keytable import KeyTable

CELL = 40  # two digests of 128 bits, and an index of 64
Spell = Callable[[KeyTable, dict[str, bytes]], None]


@pytest.fixture
def spell(monkeypatch: pytest.MonkeyPatch) -> Spell:
    """Choose the digests of words; in a table they are of a secret, and nobody can."""

    def choose(table: KeyTable, digests: dict[str, bytes]) -> None:
        monkeypatch.setattr(table, "_digest", lambda parts: digests[parts[0]])

    return choose


def cells(table: KeyTable) -> int:
    """How many cells there are; each can be come to."""
    count, rest = divmod(len(table._cells), CELL)
    assert (count, rest) == (table._mask + 1, 0)
    return count


def digest(cell: int, name: int) -> bytes:
    """A digest by which a key is looked for from this cell on; others of the cell have other names."""
    return cell.to_bytes(8, "big") + name.to_bytes(8, "big")


def test_two_thirds_of_the_cells_are_taken_before_there_are_twice_as_many() -> None:
    table, grown = KeyTable(), []
    before = cells(table)
    for number in range(1, 1400):
        table.take((str(number),), "held", number)
        if cells(table) != before:
            grown.append((number, before, cells(table)))
            before = cells(table)
    assert grown == [(171, 256, 512), (341, 512, 1024), (683, 1024, 2048), (1365, 2048, 4096)]


def test_an_index_may_have_63_bits() -> None:
    table = KeyTable()
    table.take(("key",), "value", 2**63 - 1)
    assert table.holder(("key",)) == 2**63 - 1


@pytest.mark.parametrize("cell", [0, 7, 255], ids=["the first", "one between", "the last"])
def test_keys_that_are_looked_for_from_one_cell_on_are_kept_apart(spell: Spell, cell: int) -> None:
    table = KeyTable()
    names = [str(number) for number in range(1, 5)]
    spell(table, {name: digest(cell, int(name)) for name in names} | {"value": b"v" * 16, "other": b"o" * 16})
    for index, name in enumerate(names[:3]):
        table.take((name,), "value", index)
    assert [table.holder((name,)) for name in names] == [0, 1, 2, None]
    assert [table.holds((name,), "value") for name in names] == [True, True, True, False]
    assert not table.holds(("1",), "other")


def test_a_digest_that_begins_with_zeros_is_no_free_cell(spell: Spell) -> None:
    """Neither a key's nor a value's: only the index says that a cell is free."""
    table = KeyTable()
    spell(table, {"1": digest(0, 1), "2": digest(0, 2), "3": digest(0, 3), "value": digest(0, 9)})
    for index, name in enumerate(("1", "2", "3")):
        table.take((name,), "value", index)
    assert [table.holder((name,)) for name in ("1", "2", "3")] == [0, 1, 2]


def test_a_key_that_nobody_took_holds_nothing(spell: Spell) -> None:
    """Not even a value whose digest is what stands in a free cell."""
    table = KeyTable()
    spell(table, {"key": digest(3, 1), "nothing": bytes(16)})
    assert not table.holds(("key",), "nothing")


def test_every_second_cell_is_taken_and_there_is_room(spell: Spell) -> None:
    table = KeyTable()
    names = [str(number) for number in range(160)]
    spell(table, {name: digest(2 * int(name) % 256, int(name) + 1) for name in names} | {"value": b"v" * 16})
    for index, name in enumerate(names):
        table.take((name,), "value", index)
    assert cells(table) == 256
    assert [table.holder((name,)) for name in names] == list(range(160))


def test_what_was_taken_is_found_in_its_new_cell_when_there_are_twice_as_many(spell: Spell) -> None:
    """Keys that were side by side because they had one cell are so again, or in two: none is lost or found twice."""
    table = KeyTable()
    names = [str(number) for number in range(200)]
    spell(table, {name: digest(255 + 256 * (int(name) % 2), int(name) + 1) for name in names} | {"value": b"v" * 16})
    for index, name in enumerate(names):
        table.take((name,), "value", index)
    assert cells(table) == 512
    assert [table.holder((name,)) for name in names] == list(range(200))
    assert all(table.holds((name,), "value") for name in names)
