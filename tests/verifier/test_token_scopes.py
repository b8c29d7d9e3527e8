"""What a token scope hash covers: names trimmed, each once, in one order."""

from __future__ import annotations

import unicodedata

from verifier.records.token import sorted_unique

# ECMAScript's WhiteSpace and LineTerminator.
WHITE = {mark for mark in map(chr, range(0x10000)) if unicodedata.category(mark) in ("Zs", "Zl", "Zp")} | set(
    "\t\n\v\f\r\ufeff"
)


def test_names_are_trimmed_of_what_ecmascript_calls_white_space() -> None:
    for mark in map(chr, {*range(0xD800), *range(0xE000, 0x10000)}):
        assert (sorted_unique((f"{mark}a{mark}",)) == ["a"]) == (mark in WHITE), hex(ord(mark))


def test_names_are_sorted_by_utf_16_code_unit_each_once_and_none_empty() -> None:
    assert sorted_unique(("\U0001f600", "\uffee", " b", "b ", "", " ")) == ["b", "\U0001f600", "\uffee"]
