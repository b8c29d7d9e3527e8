"""An index that is lost, cut off, altered or of another log gives late answers, never wrong ones."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.log.index_corpus import ListedLog, make_log, scan, seeded, terms_of
from trustlog.storage.index import DerivedIndex
from trustlog.storage.index_file import IndexDamaged, damage_path
from trustlog.storage.index_reader import IndexReader
from trustlog.storage.postings import IndexParameters

SIZE = 300
PARAMETERS = IndexParameters(segment=64)
LOG = make_log(11, SIZE)
ASKED = [{"leaf_hash": terms_of(LOG.data[at])["leaf_hash"]} for at in range(0, SIZE, 20)] + [
    {"kind": "tombstone"},
    {"run": "run-common"},
    {"job": "shared", "plan": "plan-common"},
]


def fill(index: DerivedIndex, log: ListedLog = LOG) -> None:
    while index.complete_to < len(log.data):
        index.follow(log, min(len(log.data), index.complete_to + 50))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    index = DerivedIndex.open(tmp_path / "index.db", LOG, PARAMETERS)
    fill(index)
    index.close()
    return tmp_path / "index.db"


def check(path: Path) -> None:
    """Whatever stands at `path`: answers are right or refused, and those who ask again after the follower's steps get them."""
    reader = IndexReader(path, LOG, PARAMETERS)
    for terms in ASKED:
        try:
            page = reader.find(terms, start=0, end=SIZE, limit=SIZE)
        except IndexDamaged:
            continue
        else:
            assert [at for at, _ in page.entries] == scan(LOG.data, terms, 0, page.searched_to, SIZE)
    index = DerivedIndex.open(path, LOG, PARAMETERS)
    for _ in range(3):  # found damaged only when read: said, and built again
        try:
            fill(index)
            index.follow(LOG, SIZE)
            fill(index)
            for terms in ASKED:
                assert reader.search(terms, 0, SIZE, SIZE) == scan(LOG.data, terms, 0, SIZE, SIZE)
            break
        except IndexDamaged:
            continue
    else:
        pytest.fail("it was not built again")
    assert not damage_path(path).exists()
    reader.close()
    index.close()


def test_flipped_bits_are_found_or_do_no_harm(path: Path) -> None:
    whole = path.read_bytes()
    rng = seeded(7)
    header = range(200)
    places = [*rng.sample(header, 20), *rng.sample(range(len(whole)), 60)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        check(path)


@pytest.mark.parametrize("kept", [0, 1, 100, 4096, 8192, 0.3, 0.5, 0.9, 0.999])
def test_a_file_cut_off_is_found(path: Path, kept: float) -> None:
    os.truncate(path, int(kept) if kept >= 1 or kept == 0 else int(kept * path.stat().st_size))
    check(path)


def test_pages_of_zeros_and_pages_that_changed_places_are_found(path: Path) -> None:
    whole = path.read_bytes()
    pages = len(whole) // 4096
    for page in range(pages):
        path.write_bytes(whole[: page * 4096] + bytes(4096) + whole[(page + 1) * 4096 :])
        check(path)
        other = (page + 1) % pages
        swapped = [whole[each * 4096 : (each + 1) * 4096] for each in range(pages)]
        swapped[page], swapped[other] = swapped[other], swapped[page]
        path.write_bytes(b"".join(swapped))
        check(path)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM chunks WHERE id = (SELECT max(id) FROM chunks)",
        "DELETE FROM chunks WHERE id = 0",
        "DELETE FROM runs WHERE start = 64",
        "DELETE FROM runs WHERE start = 0",
        "UPDATE runs SET size = size - 1 WHERE start = 128",
        "DELETE FROM progress",
        "DROP TABLE chunks",
        "UPDATE progress SET complete_to = 100",
        "UPDATE progress SET complete_to = 1000",
        "UPDATE progress SET layout = 'postings/0'",
        "UPDATE chunks SET postings = (SELECT postings FROM chunks WHERE id = 64) WHERE id = 128",
        "UPDATE runs SET firsts = (SELECT firsts FROM runs WHERE start = 64) WHERE start = 128",
    ],
)
def test_rows_that_are_missing_or_others_are_found(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(sql)
    connection.close()
    check(path)


def test_a_copy_taken_at_any_moment_is_usable_or_found(tmp_path: Path) -> None:
    """Without its -wal, with it, and with one that is cut off: what a crash or a careless copy leaves."""
    source, copy = tmp_path / "index.db", tmp_path / "copy" / "index.db"
    copy.parent.mkdir()
    index = DerivedIndex.open(source, LOG, PARAMETERS)
    rng = seeded(3)
    while index.complete_to < SIZE:
        index.follow(LOG, min(SIZE, index.complete_to + rng.randint(1, 40)))
        for companion in (None, 1.0, rng.random()):
            for leftover in copy.parent.iterdir():
                leftover.unlink()
            shutil.copyfile(source, copy)
            wal = source.with_name("index.db-wal")
            if companion is not None and wal.exists():
                data = wal.read_bytes()
                copy.with_name("index.db-wal").write_bytes(data[: int(len(data) * companion)])
            check(copy)
    index.close()


def test_the_index_of_another_log_is_replaced(path: Path) -> None:
    other = make_log(12, SIZE)
    reader = IndexReader(path, other, PARAMETERS)
    index = DerivedIndex.open(path, other, PARAMETERS)
    assert index.complete_to == 0
    fill(index, other)
    terms = {"leaf_hash": terms_of(other.data[123])["leaf_hash"]}
    assert reader.search(terms, 0, SIZE, 5) == [123]
    reader.close()
    index.close()


def test_an_absent_index_is_an_empty_one_to_its_readers(tmp_path: Path) -> None:
    reader = IndexReader(tmp_path / "index.db", LOG, PARAMETERS)
    assert reader.complete_to == 0
    assert reader.search({"kind": "tombstone"}, 0, SIZE, 5) == []
    assert not list(tmp_path.iterdir())
    reader.close()


def delete(path: Path) -> None:
    for file in path.parent.glob("index.db*"):
        file.unlink()


@pytest.mark.parametrize("lose", [delete, lambda path: path.unlink(), lambda path: damage_path(path).touch()])
def test_lost_while_it_is_followed_it_comes_back_and_its_readers_notice(path: Path, lose: Callable[[Path], None]) -> None:
    index = DerivedIndex.open(path, LOG, PARAMETERS)
    reader = IndexReader(path, LOG, PARAMETERS)
    assert reader.complete_to == SIZE
    lose(path)
    assert index.follow(LOG, SIZE) == reader.complete_to == 64
    fill(index)
    assert reader.complete_to == SIZE
    for terms in ASKED:
        assert reader.search(terms, 0, SIZE, SIZE) == scan(LOG.data, terms, 0, SIZE, SIZE)
    reader.close()
    index.close()


def test_a_reader_in_another_process_sees_each_step(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from tests.unit.log.index_corpus import make_log, terms_of
from trustlog.storage.index import DerivedIndex
log = make_log(11, 300)
reader = DerivedIndex.open_reader(Path(sys.argv[1]), log)
for line in sys.stdin:
    at = int(line)
    print(reader.complete_to, reader.search({"leaf_hash": terms_of(log.data[at])["leaf_hash"]}, 0, 300, 5), flush=True)
"""
    path = tmp_path / "index.db"
    index = DerivedIndex.open(path, LOG)
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdin=-1, stdout=-1, text=True, bufsize=1) as other:
        assert other.stdin is not None
        assert other.stdout is not None

        def ask(at: int) -> str:
            other.stdin.write(f"{at}\n")  # type: ignore[union-attr]
            return other.stdout.readline().strip()  # type: ignore[union-attr]

        assert ask(5) == "0 []"
        index.follow(LOG, 10)
        assert ask(5) == "10 [5]"
        index.follow(LOG, 200)
        assert ask(150) == "200 [150]"
        delete(path)
        assert ask(150) == "0 []"
        index.follow(LOG, 200)
        assert ask(150) == "200 [150]"
        other.stdin.close()
    index.close()
