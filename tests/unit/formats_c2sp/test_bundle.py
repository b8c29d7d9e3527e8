from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustlog.errors import Refused
from trustlog.formats.bundle import MAX_BUNDLE_ENTRY_BYTES, encode_bundle, parse_bundle

ENTRIES = [b"one", b"", b"x" * 300, bytes(MAX_BUNDLE_ENTRY_BYTES)]
BODY = encode_bundle(ENTRIES)


@given(st.lists(st.binary(max_size=50), max_size=256))
def test_encoding_and_parsing_are_inverse(entries: list[bytes]) -> None:
    assert parse_bundle(encode_bundle(entries), len(entries)) == entries


def test_lengths_are_two_bytes_big_endian() -> None:
    assert encode_bundle([b"one", b""]) == b"\x00\x03one\x00\x00"
    assert parse_bundle(BODY, 4) == ENTRIES


@pytest.mark.parametrize("width", [0, 1, 3, 5, 256])
def test_another_number_of_entries_is_refused(width: int) -> None:
    with pytest.raises(Refused, match="BUNDLE_MALFORMED"):
        parse_bundle(BODY, width)


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b"\x00", BODY + b"\x00\x00", BODY[1:], BODY[:4], BODY[:6], b""])
def test_a_cut_or_longer_bundle_is_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="BUNDLE_MALFORMED"):
        parse_bundle(body, 4)


@given(st.binary(max_size=60), st.integers(0, 20))
def test_any_bytes_are_a_bundle_or_refused(body: bytes, width: int) -> None:
    code = "BUNDLE_MALFORMED"
    try:
        again = encode_bundle(parse_bundle(body, width))
    except Refused as refused:
        again, code = body, refused.code
    assert (again, code) == (body, "BUNDLE_MALFORMED")
