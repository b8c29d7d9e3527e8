from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.formats_c2sp.keys import CHECKPOINT
from trustlog.errors import Refused
from trustlog.formats.checkpoint import Checkpoint, parse_checkpoint
from trustlog.merkle.hashing import EMPTY_ROOT

TEXT = CHECKPOINT.encode()
LINES = st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=40)


def test_the_text_is_three_lines() -> None:
    assert TEXT == b"log.example/changes\n1234\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"


@given(LINES, st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(LINES, max_size=3))
def test_encoding_and_parsing_are_inverse(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert parse_checkpoint(checkpoint.encode()) == checkpoint


def test_the_empty_tree_has_its_one_root() -> None:
    empty = Checkpoint("o", 0, EMPTY_ROOT)
    assert parse_checkpoint(empty.encode()) == empty
    with pytest.raises(Refused, match="CHECKPOINT_MALFORMED"):
        parse_checkpoint(Checkpoint("o", 0, bytes(32)).encode())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n\n\n",
        TEXT[:-1],
        TEXT + b"\n",
        b"\n" + TEXT,
        TEXT + b"extension\n\n",
        TEXT.replace(b"log.example/changes", b""),
        TEXT.replace(b"1234", b"01234"),
        TEXT.replace(b"1234", b"+1234"),
        TEXT.replace(b"1234", b" 1234"),
        TEXT.replace(b"1234", b"1_234"),
        TEXT.replace(b"1234", b"-1"),
        TEXT.replace(b"1234", b"0x10"),
        TEXT.replace(b"1234", "١٢٣".encode()),
        TEXT.replace(b"1234", str(2**63).encode()),
        TEXT.replace(b"1234", b"9" * 5000),
        TEXT.replace(b"1234", b""),
        TEXT.replace(b"8=", b"9="),
        TEXT.replace(b"8=", b"8"),
        TEXT.replace(b"AAEC", b"AA-C"),
        TEXT.replace(b"AAECAwQF", b""),
        b"\xff" + TEXT,
    ],
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(Refused, match="CHECKPOINT_MALFORMED"):
        parse_checkpoint(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_checkpoint_or_refused(text: bytes) -> None:
    code = "CHECKPOINT_MALFORMED"
    try:
        again = parse_checkpoint(text).encode()
    except Refused as refused:
        again, code = text, refused.code
    assert (again, code) == (text, "CHECKPOINT_MALFORMED")
