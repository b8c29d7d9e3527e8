"""The store: what one transaction does, and what readers see of it."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from trustlog.errors import Fatal, TrustlogError
from trustlog.merkle.tiles import Tile
from trustlog.storage.connection import StorageFailed, create_database
from trustlog.storage.guard import Guard, SignedTree
from trustlog.storage.lock import DirectoryLock
from trustlog.storage.log_reader import LogReader
from trustlog.storage.log_writer import LogWriter, NewEntry
from trustlog.storage.schema import LOG


def key(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def new(number: int, *keys: str) -> NewEntry:
    rows = [(key(name), key("value")) for name in keys]
    return NewEntry(b"entry %d" % number, b"payload %d" % number, None, rows, governs=number == 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_database(tmp_path / "log.db", LOG)
    return tmp_path / "log.db"


def test_a_batch_is_there_whole_or_not_at_all(path: Path) -> None:
    writer, reader = LogWriter.open(path), LogReader(path)
    writer.append(0, [new(0, "a"), new(1, "b")], [(Tile(0, 0, 2), bytes(64))])
    assert (reader.size(), reader.entries(0, 2), reader.governance()) == (2, [b"entry 0", b"entry 1"], [1])
    assert reader.held([key("a"), key("b"), key("c")]) == {key("a"): (key("value"), 0), key("b"): (key("value"), 1)}
    with pytest.raises(StorageFailed):
        writer.append(1, [new(2, "c"), new(3, "d")], [(Tile(0, 0, 3), bytes(96))])
    assert (reader.size(), reader.held([key("c")])) == (2, {})
    assert reader.tiles([Tile(0, 0, 2)]) == [bytes(64)]
    reader.close()
    writer.close()


def test_a_key_keeps_its_first_holder(path: Path) -> None:
    writer, reader = LogWriter.open(path), LogReader(path)
    writer.append(0, [new(0, "a"), new(1, "a", "b")], [])
    writer.append(2, [new(2, "b")], [])
    assert reader.held([key("a"), key("b")]) == {key("a"): (key("value"), 0), key("b"): (key("value"), 1)}
    reader.close()
    writer.close()


def test_a_narrower_tile_is_the_beginning_of_the_stored_one(path: Path) -> None:
    writer, reader = LogWriter.open(path), LogReader(path)
    hashes = b"".join(key(str(i)) for i in range(5))
    writer.append(0, [], [(Tile(0, 0, 3), hashes[:96])])
    writer.append(0, [], [(Tile(0, 0, 5), hashes)])
    assert reader.tiles([Tile(0, 0, 3), Tile(0, 0, 5)]) == [hashes[:96], hashes]
    for missing in (Tile(0, 0, 6), Tile(0, 1), Tile(1, 0, 1)):
        with pytest.raises(StorageFailed) as raised:
            reader.tiles([missing])
        assert raised.value.code == "LOG_CORRUPT"
    reader.close()
    writer.close()


def test_one_size_has_one_checkpoint(path: Path) -> None:
    writer, reader = LogWriter.open(path), LogReader(path)
    for size in (0, 5, 9):
        writer.record_checkpoint(size, b"note %d" % size)
    writer.record_checkpoint(5, b"note 5")
    with pytest.raises(StorageFailed):
        writer.record_checkpoint(5, b"another note")
    assert (reader.checkpoint(5), reader.checkpoint(6), reader.newest_checkpoint_size()) == (b"note 5", None, 9)
    assert [size for size, _ in reader.checkpoints_down_from(8)] == [5, 0]
    reader.close()
    writer.close()


def test_blobs_are_stored_once(path: Path) -> None:
    writer, reader = LogWriter.open(path), LogReader(path)
    assert [writer.put_blob(key("x"), b"x"), writer.put_blob(key("x"), b"x")] == [True, False]
    assert (reader.blob(key("x")), reader.blob(key("y")), reader.blob_hashes()) == (b"x", None, [key("x")])
    reader.close()
    writer.close()


def test_the_guard_moves_only_from_what_it_holds(tmp_path: Path) -> None:
    first, second, fork = (SignedTree(size, key(str(size)), b"note") for size in (0, 5, 6))
    Guard.create(tmp_path / "guard.db", first)
    guard = Guard.open(tmp_path / "guard.db")
    assert guard is not None
    guard.advance(first, second)
    for last in (first, SignedTree(5, bytes(32), b"note")):
        with pytest.raises(Fatal, match="GUARD_MISMATCH"):
            guard.advance(last, fork)
    assert guard.last_signed() == second
    guard.close()
    with pytest.raises(StorageFailed):
        Guard.create(tmp_path / "guard.db", first)
    assert Guard.open(tmp_path / "absent.db") is None


def test_one_holder_a_lock(tmp_path: Path) -> None:
    lock = DirectoryLock.acquire(tmp_path / "lock")
    with pytest.raises(TrustlogError, match="LOG_LOCKED"):
        DirectoryLock.acquire(tmp_path / "lock")
    lock.release()
    lock.release()
    DirectoryLock.acquire(tmp_path / "lock").release()


def test_another_layout_is_refused(tmp_path: Path) -> None:
    create_database(tmp_path / "log.db", LOG)
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageFailed, match="unknown layout"):
        LogWriter.open(tmp_path / "log.db")
    (tmp_path / "log.db").write_bytes(b"not a database at all, but long enough to be looked at" * 100)
    with pytest.raises(StorageFailed, match="LOG_CORRUPT"):
        LogWriter.open(tmp_path / "log.db")
    with pytest.raises(StorageFailed):
        LogReader(tmp_path / "absent.db").size()
