"""The derived index answers what reading every entry would answer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.log.index_corpus import ListedLog, make_entry, make_log, scan, seeded, terms_of
from trustlog.storage.index import MAX_STEP, DerivedIndex
from trustlog.storage.index_reader import IndexReader
from trustlog.storage.postings import TERM_NAMES, IndexParameters

SMALL = IndexParameters(segment=8)


@dataclass
class CountingLog(ListedLog):
    read: list[int] = field(default_factory=list)

    def entry(self, index: int) -> bytes | None:
        self.read.append(index)
        return super().entry(index)


def build(path: Path, log: ListedLog, parameters: IndexParameters | None = SMALL, *, steps: Iterator[int]) -> DerivedIndex:
    """The index of all of `log`, taken in by `steps` of entries."""
    index = DerivedIndex.open(path, log, parameters)
    published = 0
    while index.complete_to < len(log.data):
        published = min(len(log.data), max(published, index.complete_to + next(steps)))
        index.follow(log, published)
    return index


def random_steps(rng: random.Random, most: int) -> Iterator[int]:
    while True:
        yield rng.randint(1, most)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "parameters", [SMALL, IndexParameters(segment=64), IndexParameters(), IndexParameters(segment=8, term_bits=3)], ids=str
)
def test_it_finds_what_a_scan_finds(tmp_path: Path, seed: int, parameters: IndexParameters) -> None:
    rng = seeded(seed)
    log = make_log(seed, rng.choice((8, 63, 64, 65, 300)))
    size = len(log.data)
    index = build(tmp_path / "index.db", log, parameters, steps=random_steps(rng, 20))
    found_any = 0
    for _ in range(150):
        known = terms_of(rng.choice(log.data)) | (terms_of(rng.choice(log.data)) if rng.random() < 0.2 else {})
        terms = dict(rng.sample(sorted(known.items()), rng.randint(1, min(4, len(known)))))
        start, end = rng.randint(0, size), rng.randint(0, size + 3)
        limit = rng.choice((1, 2, 7, size + 1))
        expected = scan(log.data, terms, start, end, limit)
        assert index.search(terms, start, end, limit) == expected, terms
        found_any += bool(expected)
    assert found_any > 20
    index.close()


def test_every_name_finds_its_entry_alone_and_with_all_others(tmp_path: Path) -> None:
    rng = seeded(1)
    log = make_log(2, 40)
    log.data.append(make_entry(rng, **{name: f"only-{name}" for name in TERM_NAMES[3:]}))
    index = build(tmp_path / "index.db", log, steps=random_steps(rng, 20))
    terms = terms_of(log.data[40])
    assert set(terms) == set(TERM_NAMES)
    for name in set(TERM_NAMES) - {"kind"}:
        assert index.search({name: terms[name]}, 0, 41, 10) == scan(log.data, {name: terms[name]}, 0, 41, 10)
    assert index.search(terms, 0, 41, 10) == [40]
    index.close()


def test_values_that_nobody_can_have_are_not_found(tmp_path: Path) -> None:
    index = build(tmp_path / "index.db", make_log(1, 30), steps=random_steps(seeded(1), 9))
    for value in ("", "a" * 200, '"', 'x","run":"y', "\u00e9", "\ud800", "A" * 43, "common,"):
        for name in TERM_NAMES:
            assert index.search({name: value}, 0, 30, 10) == scan(make_log(1, 30).data, {name: value}, 0, 30, 10)
    index.close()


def test_bytes_that_are_no_entry_are_passed_over(tmp_path: Path) -> None:
    log = make_log(5, 20)
    good = log.data[7]
    bad = [b"", b"{}", b"," * 900, b"\xff" * 40, good[:-1], good + b" ", good.replace(b'"1"', b'"2"'), b"a,b,c,d,e,f,g"]
    for at, data in enumerate(bad, 8):
        log.data[at] = data
    index = build(tmp_path / "index.db", log, steps=random_steps(seeded(5), 5))
    assert index.complete_to == 20
    for at, data in enumerate(log.data):
        if data not in bad:
            assert index.search({"leaf_hash": terms_of(data)["leaf_hash"]}, 0, 20, 5) == [at]
    terms = {"payload_hash": terms_of(good)["payload_hash"]}
    assert index.search(terms, 0, 16, 20) == scan(log.data[:8], terms, 0, 8, 20)
    index.close()


def test_a_segment_of_nothing_but_such_bytes_is_passed_over_too(tmp_path: Path) -> None:
    log = ListedLog([b"{}"] * 20 + make_log(1, 3).data)
    index = build(tmp_path / "index.db", log, steps=random_steps(seeded(5), 5))
    assert index.search({"leaf_hash": terms_of(log.data[21])["leaf_hash"]}, 0, 23, 5) == [21]
    index.close()


def test_pages_join_to_the_whole_answer_and_each_ends_within_its_work(tmp_path: Path) -> None:
    """Every hash alike: each entry is a candidate for everything, and nearly all are rejected."""
    log = make_log(3, 400)
    index = build(tmp_path / "index.db", log, IndexParameters(64, 1), steps=random_steps(seeded(3), 30))
    reader = IndexReader(tmp_path / "index.db", log, IndexParameters(64, 1))
    terms = {"leaf_hash": terms_of(log.data[350])["leaf_hash"]}
    found, start, pages = [], 0, 0
    while start < 400:
        page = reader.find(terms, start=start, end=400, limit=10, max_work=20)
        assert page.searched_to > start
        assert page.complete_to == 400
        assert all(start <= at < page.searched_to for at, _ in page.entries)
        found += page.entries
        start, pages = page.searched_to, pages + 1
    assert found == [(350, log.data[350])]
    assert pages > 3
    reader.close()
    index.close()


def test_a_rare_term_beside_common_ones_reads_few_entries(tmp_path: Path) -> None:
    rng = seeded(8)
    log = ListedLog([make_entry(rng, policy="p", run=f"run-{at // 10}", receipt=f"r-{at}") for at in range(5000)])
    index = build(tmp_path / "index.db", log, IndexParameters(), steps=random_steps(rng, MAX_STEP))
    read: list[int] = []
    reader = IndexReader(tmp_path / "index.db", CountingLog(log.data, read=read))
    assert reader.search({"policy": "p", "run": "run-321"}, 0, 5000, 100) == list(range(3210, 3220))
    assert read == list(range(3210, 3220))
    read.clear()
    assert reader.search({"policy": "p"}, 1000, 5000, 5) == [1000, 1001, 1002, 1003, 1004]
    assert len(read) == 5
    reader.close()
    index.close()


def test_two_common_terms_that_never_meet_are_told_apart_with_few_of_the_entries(tmp_path: Path) -> None:
    rng = seeded(8)
    log = ListedLog([make_entry(rng, policy=f"p{at % 2}", run=f"run-{at % 2}") for at in range(5000)])
    index = build(tmp_path / "index.db", log, IndexParameters(), steps=random_steps(rng, MAX_STEP))
    read: list[int] = []
    reader = IndexReader(tmp_path / "index.db", CountingLog(log.data, read=read))
    assert reader.search({"policy": "p0", "run": "run-1"}, 0, 5000, 100) == []
    assert len(read) < 500
    reader.close()
    index.close()


def test_an_index_goes_on_where_it_stopped(tmp_path: Path) -> None:
    log = make_log(4, 90)
    for published in (1, 7, 8, 9, 40, 41, 64, 90):
        index = DerivedIndex.open(tmp_path / "index.db", log, IndexParameters(segment=32))
        before = index.complete_to
        assert index.follow(log, min(published, before + 1)) > before
        while index.complete_to < published:
            index.follow(log, published)
        index.close()
    reader = DerivedIndex.open_reader(tmp_path / "index.db", log, IndexParameters(segment=32))
    for at, data in enumerate(log.data):
        assert reader.search({"leaf_hash": terms_of(data)["leaf_hash"]}, 0, 90, 2) == [at]
    reader.close()


def test_nothing_is_taken_in_beyond_what_is_published(tmp_path: Path) -> None:
    log = make_log(4, 30)
    index = DerivedIndex.open(tmp_path / "index.db", log)
    assert index.follow(log, 20) == 20
    assert index.follow(log, 20) == 20
    last = {"leaf_hash": terms_of(log.data[20])["leaf_hash"]}
    page = index.find(last, start=0, end=30, limit=5)
    assert (page.entries, page.searched_to, page.complete_to) == ([], 20, 20)
    assert index.follow(log, 21) == 21
    assert index.search(last, 0, 30, 5) == [20]
    index.close()


def test_however_entries_come_there_are_few_runs(tmp_path: Path) -> None:
    rng = seeded(2)
    log = ListedLog([make_entry(rng, run="r") for _ in range(1023)])
    index = build(tmp_path / "index.db", log, IndexParameters(segment=1024), steps=random_steps(rng, 1))
    (count,) = index._connection.execute("SELECT count(*) FROM runs").fetchone()
    assert count <= 7 * 4  # at most seven of each power of eight
    log.data.append(make_entry(rng, run="r"))
    assert index.follow(log, 1024) == 1024
    assert index._connection.execute("SELECT start, size FROM runs").fetchall() == [(0, 1024)]
    index.close()
