"""Full-text search finds what a plain reading of every record finds, lags without lying, and survives damage."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.log.index_corpus import ListedLog, make_entry, make_log, seeded, terms_of
from trustlog.errors import Refused
from trustlog.storage.index import MAX_TEXTS, DerivedIndex
from trustlog.storage.index_file import IndexDamaged
from trustlog.storage.index_texts import MAX_WORDS, TEXT_KINDS, words_of
from trustlog.storage.postings import IndexParameters

WORDS = ("database", "Größe", "failover", "rollback", "region", "canary")


def written_log(size: int) -> ListedLog:
    """Entries of all kinds, each with a record of three words."""
    rng = seeded(size)
    log = ListedLog([make_entry(rng, run=f"run-{rng.randrange(5)}") for _ in range(size)])
    log.payloads.update({at: payload(rng) for at in range(size)})
    return log


def payload(rng: random.Random) -> bytes:
    return json.dumps({"reason": " ".join(rng.sample(WORDS, 3)), "salt": "A" * 22}, ensure_ascii=False).encode()


def filled(path: Path, log: ListedLog) -> DerivedIndex:
    index = DerivedIndex.open(path, log, IndexParameters(segment=512))
    while index.complete_to < len(log.data):
        index.follow(log, len(log.data))
    while index.texts_to < index.complete_to:
        index.follow_texts(log)
    return index


def reading(log: ListedLog, word: str, **terms: str) -> list[int]:
    """What a search must answer."""
    return [
        at
        for at, data in enumerate(log.data)
        if terms_of(data)["kind"] in TEXT_KINDS
        and word in json.loads(log.payloads[at])["reason"].split()
        and terms.items() <= terms_of(data).items()
    ]


def found(index: DerivedIndex, log: ListedLog, text: str, limit: int = 7, **terms: str) -> list[int]:
    """All pages of an answer."""
    places: list[int] = []
    start = 0
    with closing(DerivedIndex.open_reader(index.path, log, IndexParameters(segment=512))) as reader:
        while True:
            page = reader.find_texts(text, terms, start=start, end=len(log.data), limit=limit)
            places += [at for at, _ in page.entries]
            assert all(entry == log.data[at] for at, entry in page.entries)
            if page.searched_to >= page.complete_to:
                return places
            assert page.searched_to > start
            start = page.searched_to


def test_it_finds_what_reading_every_record_finds(tmp_path: Path) -> None:
    log = written_log(3000)
    with closing(filled(tmp_path / "index.db", log)) as index:
        for word in WORDS:
            assert found(index, log, word) == reading(log, word)
            assert found(index, log, word, run="run-3", kind="simulation") == reading(
                log, word, run="run-3", kind="simulation"
            )
        both = set(reading(log, "canary")) & set(reading(log, "region"))
        assert found(index, log, "canary region", limit=1000) == sorted(both)
        assert found(index, log, "CAN*", limit=1000) == reading(log, "canary")
        assert found(index, log, "grosse OR canary") == []  # no operators: three words


def test_receipts_hashes_and_salts_are_not_words(tmp_path: Path) -> None:
    log = written_log(300)
    with closing(filled(tmp_path / "index.db", log)) as index:
        receipts = [at for at, data in enumerate(log.data) if terms_of(data)["kind"] == "gateway_receipt"]
        assert receipts
        assert not set(receipts) & set(found(index, log, "rollback", limit=1000))
        assert found(index, log, "A" * 22) == []


def test_words_lag_behind_the_refs_and_every_answer_says_so(tmp_path: Path) -> None:
    log = written_log(3000)
    with closing(DerivedIndex.open(tmp_path / "index.db", log, IndexParameters(segment=512))) as index:
        while index.complete_to < 3000:
            index.follow(log, 3000)
        assert (index.complete_to, index.texts_to) == (3000, 0)
        reader = DerivedIndex.open_reader(tmp_path / "index.db", log, IndexParameters(segment=512))
        before = 0
        while (texts_to := index.follow_texts(log)) < 3000:
            assert texts_to > before
            page = reader.find_texts("rollback", {}, start=0, end=3000, limit=1000)
            assert page.complete_to == texts_to
            assert [at for at, _ in page.entries] == [at for at in reading(log, "rollback") if at < texts_to]
            before = texts_to
        assert before > MAX_TEXTS
        reader.close()
    with closing(DerivedIndex.open(tmp_path / "index.db", log, IndexParameters(segment=512))) as index:
        assert (index.complete_to, index.texts_to) == (3000, 3000)  # kept over a restart


def test_damaged_words_are_refused_and_built_again(tmp_path: Path) -> None:
    log = written_log(400)
    path = tmp_path / "index.db"
    filled(path, log).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE texts_data SET block = x'ffffffff' WHERE id > 10")
    with closing(DerivedIndex.open(path, log, IndexParameters(segment=512))) as index:
        with (
            closing(DerivedIndex.open_reader(path, log, IndexParameters(segment=512))) as reader,
            pytest.raises(IndexDamaged),
        ):
            reader.find_texts("rollback", {}, start=0, end=400, limit=10)
        index.follow(log, 400)
        while index.texts_to < 400:
            index.follow(log, 400)
            index.follow_texts(log)
        assert found(index, log, "rollback") == reading(log, "rollback")


@pytest.mark.parametrize(
    "text", ["", "   ", "*", "word *", "w " * (MAX_WORDS + 1), "w" * 300, "nul\0"], ids=lambda text: repr(text[:10])
)
def test_what_cannot_be_searched_for_is_refused_by_name(tmp_path: Path, text: str) -> None:
    log = make_log(3, 10)
    with closing(filled(tmp_path / "index.db", log)) as index:
        reader = DerivedIndex.open_reader(index.path, log, IndexParameters(segment=512))
        with closing(reader), pytest.raises(Refused) as refused:
            reader.find_texts(text, {}, start=0, end=10, limit=10)
    assert (refused.value.code, refused.value.param) == ("PARAMETER_INVALID", "text")


@pytest.mark.parametrize(
    "text", ['"', 'a"b', "NEAR(a b)", "-x", "words:canary", "a AND", "^a", "(", "{}", "'; DROP TABLE texts"]
)
def test_nothing_in_a_text_is_an_operator(tmp_path: Path, text: str) -> None:
    log = written_log(50)
    with closing(filled(tmp_path / "index.db", log)) as index:
        assert found(index, log, text) == []


def test_bytes_that_are_no_json_have_no_words() -> None:
    for data in (b"", b"{", b"\xff", b"[" * 100_000, b'"\\ud800"'):
        assert words_of(data) == ""
    assert words_of(b'{"a":["x y",{"b":"z"}],"n":1}').split() == ["x", "y", "z"]
