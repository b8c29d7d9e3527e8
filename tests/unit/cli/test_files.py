"""Files are read bounded and written whole: a name is never half a file, and nothing is overwritten unasked."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from trustlog.cli.files import check_writable, read_input, write_file
from trustlog.errors import Refused


def test_a_file_is_written_once_and_replaced_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_file(path, b"one", force=False)
    with pytest.raises(Refused, match="PARAMETER_INVALID"):
        write_file(path, b"two", force=False)
    with pytest.raises(Refused, match="PARAMETER_INVALID"):
        check_writable(path, force=False)
    assert path.read_bytes() == b"one"
    write_file(path, b"two", force=True)
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_only_a_file_is_ever_replaced(tmp_path: Path) -> None:
    """Not a pipe, a folder or a link: as root, `--force` would put a file in the place of a device."""
    pipe, folder, link = tmp_path / "pipe", tmp_path / "folder", tmp_path / "link"
    os.mkfifo(pipe)
    folder.mkdir()
    link.symlink_to(tmp_path / "elsewhere")
    for path in (pipe, folder, link):
        with pytest.raises(Refused, match="PARAMETER_INVALID"):
            check_writable(path, force=True)
        with pytest.raises(Refused) as refused:
            write_file(path, b"", force=True)
        assert "not a folder, device, pipe or link" in (refused.value.expected or "")
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_the_mode_is_what_was_asked_for(tmp_path: Path) -> None:
    write_file(tmp_path / "f", b"", force=False, mode=0o600)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


def test_a_directory_that_is_absent_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="STORAGE_FAILED"):
        write_file(tmp_path / "no" / "f", b"", force=False)


def test_reading_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    assert read_input(tmp_path / "f", max_bytes=5) == b"12345"
    with pytest.raises(Refused, match="BODY_TOO_LARGE"):
        read_input(tmp_path / "f", max_bytes=4)


def test_what_cannot_be_read_is_a_refusal(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(Refused, match="INPUT_UNREADABLE"):
            read_input(path, max_bytes=5)
