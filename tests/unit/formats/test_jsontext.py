"""JSON is read strictly: whatever two readers could take differently is refused, in time linear in its length."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustlog.errors import Refused
from trustlog.formats.jsontext import accepted_text, canonicalize, parse_json, stringify
from trustlog.limits import MAX_JSON_DEPTH, MAX_SAFE_INTEGER

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) <= MAX_SAFE_INTEGER or abs(x) >= 1e21)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def refused_by(text: bytes | str) -> Refused:
    with pytest.raises(Refused) as refused:
        parse_json(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"), "body")
    return refused.value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "JSON_INVALID"),
        (" ", "JSON_INVALID"),
        ("{", "JSON_INVALID"),
        ('{"a":1', "JSON_INVALID"),
        ('{"a":1}}', "JSON_INVALID"),
        ('{"a":1} x', "JSON_INVALID"),
        ("{'a':1}", "JSON_INVALID"),
        ('{"a":1,}', "JSON_INVALID"),
        ("[1,]", "JSON_INVALID"),
        ("01", "JSON_INVALID"),
        ("+1", "JSON_INVALID"),
        ("1.", "JSON_INVALID"),
        (".5", "JSON_INVALID"),
        ("0x10", "JSON_INVALID"),
        ("١", "JSON_INVALID"),
        ("NaN", "JSON_INVALID"),
        ("[Infinity]", "JSON_INVALID"),
        ('{"a":-Infinity}', "JSON_INVALID"),
        ('"\t"', "JSON_INVALID"),
        ('"\x00"', "JSON_INVALID"),
        ('"\\x41"', "JSON_INVALID"),
        ('"\\u12"', "JSON_INVALID"),
        ("// no\n1", "JSON_INVALID"),
        ("\u00a01", "JSON_INVALID"),
        ("\ufeff{}", "JSON_INVALID"),
        (b"\xff\xfe{\0}\0", "JSON_INVALID"),
        (b'"\xc0\xaf"', "JSON_INVALID"),
        (b'"\xed\xa0\x80"', "JSON_INVALID"),  # a surrogate, in UTF-8
        (b'"\xf4\x90\x80\x80"', "JSON_INVALID"),  # beyond U+10FFFF
        ('{"a":1,"a":1}', "JSON_DUPLICATE_KEY"),
        ('{"a":1,"\\u0061":2}', "JSON_DUPLICATE_KEY"),
        ('[{"b":{"":0,"":1}}]', "JSON_DUPLICATE_KEY"),
        ('"\\ud800"', "JSON_LONE_SURROGATE"),
        ('"\\udc00\\ud800"', "JSON_LONE_SURROGATE"),
        ('{"\\udfff":1}', "JSON_LONE_SURROGATE"),
        ("9007199254740992", "JSON_NUMBER_OUT_OF_RANGE"),
        ("-9007199254740992", "JSON_NUMBER_OUT_OF_RANGE"),
        ("1" * 400, "JSON_NUMBER_OUT_OF_RANGE"),
        ("1e400", "JSON_NUMBER_OUT_OF_RANGE"),
        ("-1e400", "JSON_NUMBER_OUT_OF_RANGE"),
        ("9007199254740993.0", "JSON_NUMBER_OUT_OF_RANGE"),  # would be printed as an integer beyond the bound
        ("1e20", "JSON_NUMBER_OUT_OF_RANGE"),
    ],
)
def test_text_that_readers_disagree_on_is_refused(text: bytes | str, code: str) -> None:
    assert refused_by(text).code == code


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9007199254740991", MAX_SAFE_INTEGER),
        ("-9007199254740991", -MAX_SAFE_INTEGER),
        ("1e21", 1e21),
        (' \t\r\n{ "a" : [ ] } ', {"a": []}),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\ufeff"', "\ufeff"),
    ],
)
def test_the_outermost_that_is_accepted(text: str, value: object) -> None:
    assert parse_json(text.encode()) == value


def test_nesting_is_accepted_to_64_levels_and_no_further() -> None:
    def nested(levels: int) -> str:
        return "[" * levels + "]" * levels

    assert parse_json(nested(MAX_JSON_DEPTH).encode())
    assert refused_by(nested(MAX_JSON_DEPTH + 1)).code == "JSON_TOO_DEEP"
    assert refused_by('{"a":' * 65 + "0" + "}" * 65).code == "JSON_TOO_DEEP"
    assert refused_by("[" * 1_000_000).code == "JSON_TOO_DEEP"


def test_brackets_in_strings_and_side_by_side_do_not_count_as_depth() -> None:
    assert parse_json(b'["' + b"[{" * 1000 + b'\\"[["]')
    assert parse_json(b"[" + b",".join([b"[]"] * 1000) + b"]")


def test_a_refusal_says_where_the_fault_is() -> None:
    assert refused_by('{"a":{"b":["x",{"c":"\\ud800"}]}}').param == "body.a.b[1].c"
    assert refused_by('{"a":{"twice":1,"twice":2}}').param == "twice"
    assert "byte 6" in refused_by('{"é":!}').detail
    assert refused_by("[9007199254740993]").found == "9007199254740993"


def test_a_hostile_member_name_does_not_fill_the_refusal() -> None:
    name = "n" * 100_000
    refused = refused_by(f'{{"{name}":1,"{name}":2}}')
    assert len(refused.detail) < 400
    assert len(refused.param or "") < 400
    refused = refused_by(f'{{"{name}":"\\ud800"}}')
    assert len(refused.detail) < 400
    assert len(refused.param or "") < 400


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "an unterminated string of escapes": lambda n: b"[" * 65 + b'"' + b'\\"' * n,
    "many quotes": lambda n: b"[]" * 40 + b'"' * n,
    "many backslashes": lambda n: b"[]" * 40 + b'"' + b"\\" * n,
    "unique names and a repeated one last": lambda n: (
        b"{" + b",".join(b'"%d":0' % i for i in range(n // 8)) + b',"z":0,"z":0}'
    ),
    "a long name over a long array": lambda n: b'{"' + b"a" * n + b'":[' + b"0," * n + b"0]}",
    "a long number": lambda n: b"0." + b"1" * n,
    "a long exponent": lambda n: b"1e" + b"9" * n,
    "a long integer": lambda n: b"9" * n,
    "deep and closed again": lambda n: b"[" + b"[[[]]]," * (n // 8) + b"0]",
    "escaped surrogates": lambda n: b'["' + b"\\ud83d\\ude00" * (n // 12) + b'"]',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_reading_hostile_text_takes_time_linear_in_its_length(name: str) -> None:
    text = HOSTILE[name](1_000_000)
    with contextlib.suppress(Refused):
        parse_json(text)  # quadratic, it would take minutes and meet the bound on every test's time


@given(JSON_VALUES)
def test_both_forms_of_a_value_are_accepted_and_have_that_value(value: Any) -> None:
    for form in (stringify(value), canonicalize(value)):
        read = parse_json(form)
        assert accepted_text(form, read)
        assert read == value


@given(JSON_VALUES)
def test_writing_is_idempotent(value: Any) -> None:
    assert stringify(parse_json(stringify(value))) == stringify(value)
    assert canonicalize(parse_json(canonicalize(value))) == canonicalize(value)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0d8e1.-truefalsn \n').map(str.encode))
def test_any_bytes_are_read_or_refused_and_nothing_else(text: bytes) -> None:
    try:
        value = parse_json(text)
    except Refused:
        return
    assert parse_json(stringify(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, {"a": {1: 2}}, "\ud800", object()])
def test_what_has_no_rfc_8785_form_is_refused(value: object) -> None:
    with pytest.raises(Refused, match="JSON_INVALID"):
        canonicalize(value)
