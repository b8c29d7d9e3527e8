"""What a start makes durable before it reads it; that this suffices is played through in ``tests/crash``."""

from __future__ import annotations

from pathlib import Path

import pytest

from trustlog.storage.connection import StorageFailed
from trustlog.storage.durable import make_durable

SIZES = [0, 1, 1 << 20, (1 << 20) + 1]


@pytest.mark.parametrize("size", SIZES)
def test_a_write_ahead_log_is_written_again_byte_by_byte(tmp_path: Path, size: int) -> None:
    ahead = tmp_path / "log.db-wal"
    content = bytes(i % 251 for i in range(size))
    ahead.write_bytes(content)
    before = ahead.stat()
    make_durable(tmp_path / "log.db")
    assert ahead.read_bytes() == content
    assert ahead.stat().st_ino == before.st_ino
    assert size == 0 or ahead.stat().st_mtime_ns > before.st_mtime_ns


def test_a_database_without_one_is_let_be(tmp_path: Path) -> None:
    make_durable(tmp_path / "log.db")
    assert list(tmp_path.iterdir()) == []


def test_one_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.db-wal").mkdir()
    with pytest.raises(StorageFailed, match=r"cannot make log\.db durable"):
        make_durable(tmp_path / "log.db")
