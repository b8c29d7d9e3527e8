"""The loop that fills the derived index keeps up, outlives failures, and ends when told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from tests.unit.log.index_corpus import ListedLog, make_log, terms_of
from tests.waiting import PATIENCE_S
from trustlog.log import following
from trustlog.log.following import follow
from trustlog.storage.connection import StorageFailed
from trustlog.storage.index import DerivedIndex
from trustlog.storage.index_file import damage_path

LOG = make_log(21, 5000)


class Following:
    """The loop in a thread; `until` waits for a step of it."""

    def __init__(self, path: Path, log: ListedLog, published: Callable[[], int]) -> None:
        self._changed = threading.Condition()
        self._steps: list[int] = []
        self._looked_at = 0
        self._stop = threading.Event()
        self._index = DerivedIndex.open(path, log)
        self._thread = threading.Thread(target=self._run, args=(log, published))
        self._thread.start()

    def _run(self, log: ListedLog, published: Callable[[], int]) -> None:
        follow(log, self._index, published, stopped=self._stop.is_set, advanced=self._advanced)

    def _advanced(self, complete_to: int) -> None:
        with self._changed:
            self._steps.append(complete_to)
            self._changed.notify_all()

    def until(self, complete_to: int) -> None:
        """Wait for a step that led there, after the one that was waited for last; it may have gone on since."""
        with self._changed:
            assert self._changed.wait_for(lambda: complete_to in self._steps[self._looked_at :], PATIENCE_S)
            self._looked_at = self._steps.index(complete_to, self._looked_at) + 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self._index.close()


def test_it_goes_as_far_as_is_published_and_then_on(tmp_path: Path) -> None:
    published = [3000]
    reader = DerivedIndex.open_reader(tmp_path / "index.db", LOG)
    last = {"leaf_hash": terms_of(LOG.data[4999])["leaf_hash"]}
    with Following(tmp_path / "index.db", LOG, lambda: published[0]) as running:
        running.until(3000)
        assert reader.complete_to == 3000
        assert reader.search(last, 0, 5000, 5) == []
        published[0] = 5000
        running.until(5000)
        assert reader.search(last, 0, 5000, 5) == [4999]
    reader.close()


def test_it_builds_again_what_is_lost_or_found_damaged(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    reader = DerivedIndex.open_reader(path, LOG)
    with Following(path, LOG, lambda: 5000) as running:
        for lose in (path.unlink, damage_path(path).touch):
            running.until(5000)
            lose()
            running.until(2048)  # on its way again
        running.until(5000)
        assert reader.complete_to == 5000
    reader.close()


def test_it_outlives_a_store_that_fails_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_RETRY_S", 0.05)
    failures = iter(range(5))
    failed = []

    def published() -> int:
        if next(failures, None) is not None:
            failed.append(True)
            raise StorageFailed("STORAGE_FAILED", "the disk is gone")
        return 5000

    with caplog.at_level(logging.WARNING), Following(tmp_path / "index.db", LOG, published) as running:
        running.until(5000)
    assert len(failed) == 5
    said = [record.getMessage() for record in caplog.records]
    assert len([text for text in said if "the disk is gone" in text]) == 1
    assert "the derived index catches up again" in said


def test_it_ends_when_told_also_while_the_store_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reached = threading.Event()

    def published() -> int:
        reached.set()
        raise StorageFailed("STORAGE_FAILED", "the disk is gone")

    with Following(tmp_path / "index.db", LOG, published):
        assert reached.wait(PATIENCE_S)
    assert "the disk is gone" in caplog.text
