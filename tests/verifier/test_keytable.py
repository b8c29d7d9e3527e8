"""The table of taken keys is a dictionary, in few bytes a key."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from verifier.ledger.keytable import KeyTable

words = st.text(max_size=4)
keys = st.lists(words, min_size=1, max_size=3).map(tuple)


@given(st.lists(st.tuples(keys, words, st.integers(0, 2**40)), max_size=400))
def test_it_says_what_a_dictionary_says(taken: list[tuple[tuple[str, ...], str, int]]) -> None:
    table, model = KeyTable(), dict[tuple[str, ...], tuple[str, int]]()
    for key, value, index in taken:
        assert table.holder(key) == (model[key][1] if key in model else None)
        assert table.holds(key, value) == (key in model and model[key][0] == value)
        table.take(key, value, index)
        model.setdefault(key, (value, index))
    for key, (value, index) in model.items():
        assert table.holder(key) == index
        assert table.holds(key, value)
        assert not table.holds(key, value + "x")


def test_parts_do_not_run_together() -> None:
    table = KeyTable()
    table.take(("ab", "c"), "x", 1)
    assert table.holder(("a", "bc")) is None
    assert table.holder(("ab", "c", "")) is None
    assert table.holder(("ab\0c",)) is None


def test_it_keeps_every_key_while_it_grows_and_stays_small() -> None:
    table = KeyTable()
    for number in range(20_000):
        table.take((str(number),), "held", number)
    assert all(table.holder((str(number),)) == number for number in range(20_000))
    assert table.holder(("20000",)) is None
    assert sys.getsizeof(table._cells) < 20_000 * 140
