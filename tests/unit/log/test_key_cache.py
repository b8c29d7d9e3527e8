"""The saved key table spares a start work, and is never believed for a log that it is not of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustlog.storage.key_cache import read_key_cache, write_key_cache
from trustlog.storage.keys import KeyTable

ROOT = hashlib.sha256(b"root").digest()
KEYS = [hashlib.sha256(b"%d" % number).digest() for number in range(2000)]


def table_of(keys: list[bytes]) -> KeyTable:
    table = KeyTable()
    for index, key in enumerate(keys):
        table.add(key, index)
    return table


def root_at(size: int) -> bytes | None:
    return ROOT if size == len(KEYS) else None


def test_what_was_saved_finds_what_was_added(tmp_path: Path) -> None:
    write_key_cache(tmp_path / "keys.cache", table_of(KEYS), len(KEYS), ROOT)
    table, size = read_key_cache(tmp_path / "keys.cache", root_at)
    assert size == len(KEYS)
    assert [list(table.find(key)) for key in KEYS] == [[index] for index in range(len(KEYS))]
    assert not any(table.may_hold(hashlib.sha256(key).digest()) for key in KEYS)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:-40] + bytes([data[-40] ^ 1]) + data[-39:],
        lambda data: bytes([data[0] ^ 1]) + data[1:],
    ],
    ids=["cut", "half", "empty", "a bit of a key", "a bit of the head"],
)
def test_one_that_is_not_whole_is_not_used(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "keys.cache"
    write_key_cache(path, table_of(KEYS), len(KEYS), ROOT)
    path.write_bytes(damage(path.read_bytes()))
    table, size = read_key_cache(path, root_at)
    assert (size, table.may_hold(KEYS[0])) == (0, False)


def test_one_of_another_tree_or_of_none_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "keys.cache"
    assert read_key_cache(path, root_at)[1] == 0
    write_key_cache(path, table_of(KEYS), len(KEYS), hashlib.sha256(b"another").digest())
    assert read_key_cache(path, root_at)[1] == 0
    write_key_cache(path, table_of(KEYS), len(KEYS) + 1, ROOT)
    assert read_key_cache(path, root_at)[1] == 0


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(0, 1000))
def test_loading_a_row_adds_what_adding_each_key_adds(claimed: list[int], first: int) -> None:
    identities = KEYS[: len(claimed)]
    claims = [
        (position, KEYS[100 + position * 4 + number]) for position, count in enumerate(claimed) for number in range(count)
    ]
    one_by_one, at_once = KeyTable(), KeyTable()
    for position, key in [*enumerate(identities), *claims]:
        one_by_one.add(key, first + position)
    at_once.load(first, b"".join(identities), b"".join(bytes((at,)) + key + bytes(32) for at, key in claims))
    for key in (*identities, *(key for _, key in claims)):
        assert list(one_by_one.find(key)) == list(at_once.find(key))
