"""A compact text is known at a glance: whatever the fast way decides, the slow way decides alike."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from tests.support.payloads import VALID
from tests.unit.formats.test_jsontext import JSON_VALUES
from trustlog.errors import Refused
from trustlog.formats.compactjson import decode_compact
from trustlog.formats.jsontext import parse_json, stringify
from trustlog.limits import MAX_JSON_DEPTH, MAX_SAFE_INTEGER


def check(text: bytes) -> bool:
    """Whether `text` is compact; where it is, that the slow way gives the same value and the same text."""
    value = decode_compact(text)
    if value is UNSET:
        return False
    assert repr(value) == repr(parse_json(text))  # repr tells 1 from 1.0 and True, and one order of members from another
    assert stringify(value) == text
    return True


@pytest.mark.parametrize("kind", sorted(VALID))
def test_every_usual_payload_is_compact(kind: str) -> None:
    assert check(stringify(VALID[kind]()))


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "[]", '""', "0", "-1", "true", "null", '{"a":{"b":[1,2.5,-0.25,"x"]}}', '{"":0}', '{"a1":0}', '{"01a":"9"}'),
        *(
            "999999999999999",
            "-999999999999999",
            '"9007199254740993"',
            '["9007199254740993"]',
            '"a\\"1\\":2"',
            '{"__proto__":1}',
        ),
        *(
            "0.5",
            "12.5",
            "0.0001",
            "123456789012345.6",
            '"\\b\\t\\n\\f\\r\\u0000\\u001f\x7f\u2028\u2029é😀"',
            '{"10000000000":1}',
        ),
        "[" * MAX_JSON_DEPTH + "]" * MAX_JSON_DEPTH,
        "[" + ",".join(["[]"] * 100) + "]",
        '"' + "[{" * 100 + '"',
    ],
)
def test_a_plain_text_is_compact(text: str) -> None:
    assert check(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        *(b" {}", b"{} ", b"{}\n", b'{"a": 1}', b'{"a":1 }', b"[1, 2]", b"", b" ", b"{", b"{}{}", b"{},", b"\xef\xbb\xbf{}"),
        *(b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b'{"a":1,"\\u0061":1}', b'{"\\u0061":1}'),
        *(
            b"-0",
            b"[-0]",
            b"-0.0",
            b"1.0",
            b"[1.50]",
            b"1e2",
            b"1E2",
            b"1e+21",
            b"1e-7",
            b"0.00001",
            b"01",
            b"+1",
            b".5",
            b"1.",
        ),
        *(b"1e400", b"NaN", b"Infinity", b"-Infinity", b"nan", b'{"a":1e16}', b"12345678901234567.5"),
        *(b"9007199254740992", b"-9007199254740992", b"[9007199254740993]", b'{"a":18446744073709551616}', b"1" * 400),
        *(b'{"0":1}', b'{"b":0,"1":0}', b'{"a":{"4294967294":1}}', b'{"a":1,"4294967295":1}'),
        *(b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"'),
        *(b'"\xed\xa0\x80"', b'"\xff"', b'"\xc0\x80"', b'"\xf4\x90\x80\x80"'),
        *(b'"\\/"', b'"\\u00e9"', b'"\\u001F"', b'"\\u0008"', b'"\\u2028"', b'"\\x41"', b'"\n"', b'"\x00"', b"'a'", b'"a'),
        *(b'{"\xff":1}', b'{"\\ud800":1}', b"{\x00}", b"true ", b"TRUE", b"undefined", b'{"a":}', b'{"a":1,}', b"[1,]"),
        b"[" * (MAX_JSON_DEPTH + 1) + b"]" * (MAX_JSON_DEPTH + 1),
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 1_000_000,
    ],
)
def test_what_needs_a_second_look_is_left_to_the_slow_way(text: bytes) -> None:
    assert decode_compact(text) is UNSET


def test_the_levels_that_are_allowed_can_be_fewer() -> None:
    text = b"[" * 10 + b"]" * 10
    assert decode_compact(text, levels=10) is not UNSET
    assert decode_compact(text, levels=9) is UNSET


def test_the_largest_exact_integer_is_never_taken_for_another() -> None:
    for number in (MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER, MAX_SAFE_INTEGER // 10):
        for text in (b"%d", b"[%d]", b'{"a":%d}', b'["x",%d]'):
            check(text % number)


def test_every_character_is_written_as_javascript_writes_it() -> None:
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(characters), 4096):
        assert check(stringify("".join(characters[start : start + 4096])))
        assert check(stringify({character: 0 for character in characters[start : start + 4096] if not character.isdigit()}))


JSON_PIECES = st.sampled_from(
    [
        *(
            '{"a":',
            '{"1":',
            '{"b9":',
            '"',
            "[",
            "]",
            "}",
            ",",
            ":",
            " ",
            "\\",
            "\\u",
            "d800",
            "dc00",
            "0041",
            "\\ud83d\\ude00",
        ),
        *("0", "-", "1", ".5", ".0", "e", "E+", "9007199254740992", "999999999999999"),
        *("true", "null", "NaN", "é", "\u2028", "\x7f"),
    ]
)


@settings(max_examples=1_000)
@given(st.lists(JSON_PIECES, max_size=12).map("".join))
@example('{"b":0,"1":0}')
def test_any_text_is_decided_alike(text: str) -> None:
    check(text.encode())
    check(b'{"a":"' + text.encode() + b'"}')
    check(b"[" + text.encode() + b"]")


@settings(max_examples=500)
@given(JSON_VALUES, st.booleans(), st.booleans())
def test_any_value_is_decided_alike_however_it_is_written(value: Any, ascii_only: bool, sort: bool) -> None:
    check(stringify(value))
    check(json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"), sort_keys=sort).encode())


@given(st.floats(allow_nan=False, allow_infinity=False) | st.decimals(-10_000, 10_000, places=3).map(float))
def test_a_double_is_taken_only_in_the_form_that_javascript_gives_it_and_keeps_its_value(number: float) -> None:
    for literal in (repr(number), f"{number:.3f}", f"{number:.17g}"):
        check(f"[{literal}]".encode())
        if literal == "-0":  # which no accepted text has
            continue
        assert math.copysign(1, msgspec.json.decode(literal, type=float)) == math.copysign(1, float(literal))
        assert msgspec.json.decode(literal, type=float) == float(literal)  # records are decoded from texts


PIECES = (b"", b"0", b'"', b",", b":", b"\\", b"\xff", b"1.0", b" ", b"{}", b'"7":1,', b"z")


def test_texts_with_a_few_bytes_changed_are_decided_alike() -> None:
    seed = random.Random(20_260_302)  # noqa: S311 - a test's own choice, the same each time
    texts = [stringify(VALID[kind]()) for kind in sorted(VALID)]
    compact = 0
    for _ in range(3_000):
        text = bytearray(seed.choice(texts))
        for _ in range(seed.randint(1, 2)):
            at = seed.randrange(len(text))
            text[at : at + seed.randint(0, 2)] = seed.choice(PIECES)
        try:
            compact += check(bytes(text))
        except Refused as refused:
            pytest.fail(f"{refused.code}: {bytes(text)!r}")
    assert compact > 500
