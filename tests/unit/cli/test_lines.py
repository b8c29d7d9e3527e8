"""Lines come in batches of what is there: no waiting to fill one, no line too long to bear, no line lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustlog.cli.lines import LineBatches
from trustlog.errors import Refused


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def test_a_batch_holds_what_has_arrived(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    batches = LineBatches(reading, max_line_bytes=100).batches(10)
    os.write(writing, b"one\ntw")
    assert next(batches) == [b"one"]
    os.write(writing, b"o\r\nthree\nfour")
    assert next(batches) == [b"two", b"three"]
    os.close(writing)
    assert list(batches) == [[b"four"]]


def test_a_line_too_long_is_refused_in_its_place(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    long = b"x" * 3_000_000

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(b"one\n" + long + b"\ntwo\n" + b"y" * 101 + b"\nthree")

    writer = Thread(target=write)
    writer.start()
    lines = [line for batch in LineBatches(reading, max_line_bytes=100).batches(2) for line in batch]
    writer.join()
    assert [line.code if isinstance(line, Refused) else line for line in lines] == [
        b"one",
        "BODY_TOO_LARGE",
        b"two",
        "BODY_TOO_LARGE",
        b"three",
    ]


@given(st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")), max_size=30), st.booleans())
def test_every_line_arrives_once_in_order(lines: list[bytes], ends: bool) -> None:
    reading, writing = os.pipe()
    text = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    os.write(writing, text)
    os.close(writing)
    got = [line for batch in LineBatches(reading, max_line_bytes=20).batches(7) for line in batch]
    os.close(reading)
    expected = text.split(b"\n")
    assert got == (expected[:-1] if expected[-1] == b"" else expected)
