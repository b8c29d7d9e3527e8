"""Damaging, or erasing from, a log's database: what a failing disk, or somebody with access to it, can do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from trustlog.formats.bundle import encode_bundle
from trustlog.storage.segment import encode_slots, split_entries, split_slots

Change = Callable[[bytes], bytes | None]


def execute(path: Path, sql: str, *parameters: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql, parameters)


def change_entry(path: Path, index: int, change: Callable[[bytes], bytes]) -> None:
    first, count, entries, _ = _segment(path, index)
    split = split_entries(first, count, entries)
    changed = change(split[index - first])
    assert changed != split[index - first]
    split[index - first] = changed
    execute(path, "UPDATE segments SET entries = ? WHERE first = ?", encode_bundle(split), first)


def change_payload(path: Path, index: int, change: Change) -> None:
    """None erases it."""
    first, count, _, payloads = _segment(path, index)
    split = split_slots(first, count, payloads)
    payload = split[index - first]
    assert payload is not None
    changed = change(payload)
    assert changed != payload
    split[index - first] = changed
    execute(path, "UPDATE segments SET payloads = ? WHERE first = ?", encode_slots(split), first)


def drop_entries(path: Path, index: int) -> None:
    """The entry at `index`, and its neighbours of one segment."""
    execute(path, "DELETE FROM segments WHERE first = ?", _segment(path, index)[0])


def _segment(path: Path, index: int) -> tuple[int, int, bytes, bytes]:
    with closing(sqlite3.connect(path)) as connection:
        row: tuple[int, int, bytes, bytes] = connection.execute(
            "SELECT first, count, entries, payloads FROM segments WHERE first <= ? ORDER BY first DESC", (index,)
        ).fetchone()
    assert row[0] <= index < row[0] + row[1]
    return row
