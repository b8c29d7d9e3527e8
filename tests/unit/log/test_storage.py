"""The store: what one transaction does, and what readers see of it."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustlog.errors import Fatal, TrustlogError
from trustlog.formats.bundle import encode_bundle
from trustlog.log.history import StoredHistory
from trustlog.merkle.tiles import TILE_WIDTH, Tile
from trustlog.records.history import HELD, Held
from trustlog.storage.connection import StorageFailed, create_database
from trustlog.storage.guard import Guard, SignedTree
from trustlog.storage.keys import KeyTable
from trustlog.storage.lock import DirectoryLock
from trustlog.storage.log_reader import LogReader
from trustlog.storage.log_writer import LogWriter, NewEntry
from trustlog.storage.placement import Placement
from trustlog.storage.schema import LOG
from trustlog.storage.segment import encode_slots, keys_row, split_at_bundles, split_entries, split_keys, split_slots


def key(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def new(number: int, *claims: str) -> NewEntry:
    rows = [(key(name), key("value")) for name in claims]
    attachments = b"{}" if number % 2 else None
    return NewEntry(
        b"entry %d" % number, b"payload %d" % number, attachments, key(f"identity {number}"), rows, governs=number % 7 == 1
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_database(tmp_path / "log.db", LOG)
    return tmp_path / "log.db"


def test_a_batch_is_there_whole_or_not_at_all(path: Path) -> None:
    writer, reader = LogWriter.open(path), LogReader(path)
    writer.append(0, [new(0, "a"), new(1, "b")], [(Tile(0, 0, 2), bytes(64))])
    assert (reader.size(), reader.entries(0, 2), reader.governance()) == (2, [b"entry 0", b"entry 1"], [1])
    assert list(all_keys(reader)) == [(key("identity 0"), None, 0), (key("identity 1"), None, 1), *claims_of("a", 0, "b", 1)]
    with pytest.raises(StorageFailed):
        writer.append(0, [new(2, "c")], [(Tile(0, 0, 3), bytes(96))], (3, b"note"))
    assert (reader.size(), len(list(all_keys(reader))), reader.checkpoint(3)) == (2, 4, None)
    assert reader.tiles([Tile(0, 0, 2)]) == [bytes(64)]
    reader.close()
    writer.close()


def all_keys(reader: LogReader) -> Iterator[tuple[bytes, bytes | None, int]]:
    for row in reader.all_keys():
        yield from split_keys(*row)


def claims_of(*names_and_indexes: str | int) -> list[tuple[bytes, bytes, int]]:
    pairs = zip(names_and_indexes[::2], names_and_indexes[1::2], strict=True)
    return [(key(str(name)), key("value"), int(index)) for name, index in pairs]


def test_a_checkpoint_is_kept_in_the_transaction_of_the_next_batch(path: Path) -> None:
    writer, reader = LogWriter.open(path), LogReader(path)
    writer.append(0, [new(0)], [])
    assert reader.newest_checkpoint_size() is None
    writer.append(1, [new(1)], [], (1, b"note 1"))
    assert reader.checkpoint(1) == b"note 1"
    with pytest.raises(StorageFailed):
        writer.append(2, [new(2)], [], (1, b"another note"))
    assert reader.size() == 2
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


SLOTS = st.lists(st.none() | st.binary(max_size=40), max_size=12)


@given(SLOTS)
def test_slots_come_back_as_they_were(slots: list[bytes | None]) -> None:
    assert split_slots(0, len(slots), encode_slots(slots)) == slots


@given(SLOTS, st.integers(1, 60), st.sampled_from([-1, 1]))
def test_slots_that_are_cut_or_miscounted_are_corrupt(slots: list[bytes | None], cut: int, off: int) -> None:
    data = encode_slots([*slots, b"the last"])
    count = len(slots) + 1
    for damaged, counted in ((data[: -min(cut, 11)], count), (data + b"\0" * cut, count), (data, count + off)):
        with pytest.raises(StorageFailed, match="LOG_CORRUPT"):
            split_slots(0, counted, damaged)


@given(st.integers(0, 3 * TILE_WIDTH), st.integers(1, 3 * TILE_WIDTH))
def test_segments_lie_side_by_side_each_in_one_bundle(first: int, count: int) -> None:
    entries = [new(number) for number in range(count)]
    segments = list(split_at_bundles(first, entries))
    assert [entry for _, of_segment in segments for entry in of_segment] == entries
    assert [start for start, _ in segments] == [
        first,
        *(at for at in range(first + 1, first + count) if at % TILE_WIDTH == 0),
    ]
    for start, of_segment in segments:
        assert of_segment
        assert start // TILE_WIDTH == (start + len(of_segment) - 1) // TILE_WIDTH


@given(st.integers(0, 1 << 39), st.lists(st.lists(st.sampled_from("abc"), max_size=3), min_size=1, max_size=TILE_WIDTH))
def test_keys_come_back_with_who_took_them(first: int, claims: list[list[str]]) -> None:
    entries = [new(number, *names) for number, names in enumerate(claims)]
    expected = [(entry.identity, None, first + number) for number, entry in enumerate(entries)]
    taken = [(key(name), key("value"), first + number) for number, names in enumerate(claims) for name in names]
    assert list(split_keys(*keys_row(first, entries))) == expected + taken


def test_a_bundle_that_cannot_be_parsed_is_corrupt() -> None:
    good = encode_bundle([b"one", b"two"])
    assert split_entries(0, 2, good) == [b"one", b"two"]
    for count, data in ((1, good), (3, good), (2, good[:-1]), (2, good + b"\0")):
        with pytest.raises(StorageFailed, match="LOG_CORRUPT"):
            split_entries(0, count, data)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6), st.data())
def test_what_batches_of_any_sizes_stored_is_read_back_by_any_range(batches: list[int], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "log.db"
        create_database(path, LOG)
        entries = [new(number, f"claim {number}") for number in range(sum(batches))]
        with closing(LogWriter.open(path)) as writer, closing(LogReader(path)) as reader:
            first = 0
            for count in batches:
                writer.append(first, entries[first : first + count], [])
                first += count
            assert reader.size() == first
            start = data.draw(st.integers(0, first))
            end = data.draw(st.integers(start, first))
            assert reader.entries(start, end) == [entry.entry for entry in entries[start:end]]
            stored = list(reader.stored_range(start, end))
            assert [(row.index, row.entry, row.payload, row.attachments) for row in stored] == [
                (index, entries[index].entry, entries[index].payload, entries[index].attachments)
                for index in range(start, end)
            ]
            with pytest.raises(StorageFailed, match="LOG_CORRUPT"):
                reader.entries(start, first + 1)
            assert (reader.entry(first), reader.stored(first)) == (None, None)
            index = data.draw(st.integers(0, first - 1))
            assert reader.entry(index) == entries[index].entry
            assert reader.keys_at(index) == [(entries[index].identity, None), (key(f"claim {index}"), key("value"))]
            bundle = index // TILE_WIDTH
            width = data.draw(st.integers(1, min(TILE_WIDTH, first - bundle * TILE_WIDTH)))
            begin = bundle * TILE_WIDTH
            assert reader.bundle(bundle, width) == encode_bundle(entry.entry for entry in entries[begin : begin + width])


# Keys that share what the table looks at: the first two bytes choose the bucket, the next seven are compared.
NEAR_KEYS = st.builds(
    lambda bucket, fingerprint, rest: bucket + fingerprint + rest,
    st.sampled_from([b"aa", b"ab"]),
    st.lists(st.sampled_from([b"a", b"b", b"\0"]), min_size=7, max_size=7).map(b"".join),
    st.sampled_from([b"x" * 23, b"y" * 23]),
)


@given(st.lists(st.tuples(NEAR_KEYS, st.integers(0, (1 << 40) - 1)), max_size=60), NEAR_KEYS)
def test_the_table_finds_every_entry_that_may_hold_a_key_in_the_order_of_adding(
    added: list[tuple[bytes, int]], asked: bytes
) -> None:
    table = KeyTable()
    for taken, index in added:
        table.add(taken, index)
    for wanted in (asked, *(taken for taken, _ in added)):
        assert list(table.find(wanted)) == [index for taken, index in added if taken[:9] == wanted[:9]]
        if any(taken[:9] == wanted[:9] for taken, _ in added):
            assert table.may_hold(wanted)
    if table.may_hold(asked):  # a hint only: the bytes of neighbours may look like it
        assert any(taken[:2] == asked[:2] for taken, _ in added)


def coincide(name: str) -> bytes:
    """Keys that the table cannot tell from each other."""
    return b"nine same" + key(name)[9:]


def test_keys_that_coincide_in_the_table_are_told_apart_by_what_is_stored(path: Path) -> None:
    first = NewEntry(b"entry 0", b"", None, coincide("a"), [(coincide("claim"), key("1"))], governs=False)
    again = NewEntry(b"entry 1", b"", None, coincide("b"), [(coincide("claim"), key("2"))], governs=False)
    with closing(LogWriter.open(path)) as writer, closing(LogReader(path)) as reader:
        writer.append(0, [first, again], [])
        history = StoredHistory(reader, reader.size(), path.with_name("keys.cache"))  # as at a start
        assert history.held(coincide("a")) == Held(HELD, 0)
        assert history.held(coincide("b")) == Held(HELD, 1)
        assert history.held(coincide("claim")) == Held(key("1"), 0), "the first holder keeps it"
        assert history.held(coincide("c")) is None
        history.add(2, b"entry 2", [(coincide("c"), HELD)])
        assert (history.held(coincide("c")), history.entry(2)) == (Held(HELD, 2), b"entry 2")
        history.forget()
        assert (history.held(coincide("c")), history.entry(2)) == (None, None)
        history.add(2, b"entry 2", [(coincide("c"), HELD)])
        writer.append(2, [NewEntry(b"entry 2", b"", None, coincide("c"), [], governs=False)], [])
        history.keep()
        assert (history.held(coincide("c")), history.entry(2)) == (Held(HELD, 2), b"entry 2")
        assert history.held(coincide("d")) is None


def test_a_database_that_was_removed_or_replaced_is_noticed(path: Path) -> None:
    with closing(LogWriter.open(path)) as writer:
        writer.append(0, [new(0)], [])
        writer.check_in_place()
        for file in (path, path.with_name("log.db-wal")):
            aside = file.with_name("aside")
            file.rename(aside)
            with pytest.raises(StorageFailed) as raised:
                writer.check_in_place()
            assert (raised.value.found, raised.value.param) == ("no file", file.name)
            file.write_bytes(aside.read_bytes())
            with pytest.raises(StorageFailed) as raised:
                writer.check_in_place()
            assert raised.value.found == "another file"
            aside.rename(file)
            writer.check_in_place()


def test_a_write_ahead_log_is_noted_when_it_comes(tmp_path: Path) -> None:
    database, wal = tmp_path / "log.db", tmp_path / "log.db-wal"
    database.touch()
    placement = Placement(database)
    placement.check()
    wal.touch()
    placement.check()
    wal.unlink()
    with pytest.raises(StorageFailed):
        placement.check()
    with pytest.raises(StorageFailed):
        Placement(tmp_path / "absent.db")


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
