"""One byte string has one spelling in base64 and one in base64url."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64, decode_b64u, encode_b64, encode_b64u

HASH = bytes(range(224, 256))  # spells both alphabets' special characters
B64U = encode_b64u(HASH)


def test_known_spellings() -> None:
    assert encode_b64u(b"\xfb\xff\xfe") == "-__-"
    assert encode_b64(b"\xfb\xff\xfe") == "+//+"
    assert encode_b64u(b"\0") == "AA"
    assert encode_b64(b"\0") == "AA=="


@pytest.mark.parametrize("size", [0, 1, 16, 32, 64])
def test_what_was_encoded_decodes_to_the_same_bytes(size: int) -> None:
    data = bytes(range(size))
    assert decode_b64u(encode_b64u(data), size, "x") == data
    assert decode_b64(encode_b64(data), "x", size) == data


@pytest.mark.parametrize(
    "text",
    [
        "",
        B64U[:-1],
        B64U + "A",
        B64U + "=",
        B64U + "\n",
        " " + B64U,
        B64U[:20] + "\n" + B64U[20:],
        B64U.replace("-", "+").replace("_", "/"),
        B64U[:-1] + chr(ord(B64U[-1]) + 1),  # the unused two bits are not zero
        B64U[:-1] + "é",
        B64U[:-1] + "٣",
    ],
)
def test_any_other_spelling_of_a_hash_is_refused_naming_the_field(text: str) -> None:
    assert text != B64U
    with pytest.raises(Refused) as refused:
        decode_b64u(text, 32, "payload_hash_b64u")
    assert refused.value.code == "BASE64URL_INVALID"
    assert refused.value.param == "payload_hash_b64u"
    assert refused.value.expected == "43 characters of base64url without padding"


def test_of_all_43_character_texts_that_decode_to_a_hash_one_is_accepted() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = []
    for last in alphabet:
        try:
            accepted.append(decode_b64u(B64U[:-1] + last, 32, "x"))
        except Refused:
            continue
    assert len(accepted) == 16  # of 64: one in four has its two unused bits zero
    assert len(set(accepted)) == 16


@pytest.mark.parametrize("text", ["AA", "AA=", "AA===", "AB==", "A A=", "AA==\n", "-_-_", "A", "=", "====", "AAAAé==="])
def test_any_other_spelling_of_standard_base64_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        decode_b64(text, "root")
    assert refused.value.code == "BASE64_INVALID"
    assert refused.value.param == "root"


def test_standard_base64_of_another_size_than_asked_is_refused() -> None:
    with pytest.raises(Refused, match="BASE64_INVALID"):
        decode_b64(encode_b64(bytes(31)), "root", 32)


@given(st.text(max_size=12))
def test_whatever_decodes_is_the_only_spelling_of_its_bytes(text: str) -> None:
    for size in range(9):
        try:
            data = decode_b64u(text, size, "x")
        except Refused:
            continue
        assert encode_b64u(data) == text
    with contextlib.suppress(Refused):
        assert encode_b64(decode_b64(text, "x")) == text
