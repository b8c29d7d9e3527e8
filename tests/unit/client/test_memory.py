"""The newest checkpoint seen survives the process, concurrent writers, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.client.lying_log import MemoryLog, make_entry
from trustlog.client.memory import FileMemory, Remembered
from trustlog.errors import Refused
from trustlog.formats.checkpoint import parse_checkpoint
from trustlog.formats.note import parse_note


def remembered(size: int) -> Remembered:
    note = MemoryLog([make_entry(n) for n in range(size)]).note(size)
    return Remembered(parse_checkpoint(parse_note(note).text), note)


def test_what_was_remembered_is_loaded_by_the_next_process(tmp_path: Path) -> None:
    assert FileMemory(tmp_path / "a" / "b").load() is None
    assert FileMemory(tmp_path / "a" / "b").replace(None, remembered(3))
    assert FileMemory(tmp_path / "a" / "b").load() == remembered(3)


def test_a_replacement_of_what_is_no_longer_remembered_fails(tmp_path: Path) -> None:
    memory = FileMemory(tmp_path / "m")
    assert memory.replace(None, remembered(3))
    assert not memory.replace(None, remembered(4))
    assert memory.replace(remembered(3), remembered(5))
    assert not memory.replace(remembered(3), remembered(4))
    assert memory.load() == remembered(5)


@pytest.mark.parametrize("text", [b"", b"\n", b"log.example/test\n3\n", b"\xff" * 100, b"x" * 100_000])
def test_a_file_that_holds_something_else_is_not_an_empty_memory(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "m").write_bytes(text)
    with pytest.raises(Refused, match="INPUT_UNREADABLE"):
        FileMemory(tmp_path / "m").load()
    with pytest.raises(Refused, match="INPUT_UNREADABLE"):
        FileMemory(tmp_path / "m").replace(None, remembered(1))


def test_a_place_that_cannot_be_written_is_a_refusal_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="STORAGE_FAILED") as refused:
        FileMemory(tmp_path / "file" / "m").replace(None, remembered(1))
    assert "--state" in refused.value.hint
