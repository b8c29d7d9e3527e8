"""Strict JSON and the two texts of a payload: what is read, what is refused, and how a value is written."""

from __future__ import annotations

import pytest

from verifier.errors import Refused
from verifier.jsonforms import stringify
from verifier.jsontext import parse_json, parse_object
from verifier.limits import MAX_JSON_DEPTH, MAX_SAFE_INTEGER
from verifier.payloadtext import check_payload_text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "JSON_INVALID"),
        (b"{} {}", "JSON_INVALID"),
        (b"\xef\xbb\xbf{}", "JSON_INVALID"),
        (b'"\xff"', "JSON_INVALID"),
        (b"NaN", "JSON_INVALID"),
        (b"-Infinity", "JSON_INVALID"),
        (b'{"a":1,"a":1}', "JSON_DUPLICATE_KEY"),
        (b"9007199254740992", "JSON_NUMBER_OUT_OF_RANGE"),
        (b"-9007199254740992", "JSON_NUMBER_OUT_OF_RANGE"),
        (b"1" * 5000, "JSON_NUMBER_OUT_OF_RANGE"),
        (b"1e400", "JSON_NUMBER_OUT_OF_RANGE"),
        (b"-1e400", "JSON_NUMBER_OUT_OF_RANGE"),
        (b"9007199254740992.0", "JSON_NUMBER_OUT_OF_RANGE"),
        (b"1e20", "JSON_NUMBER_OUT_OF_RANGE"),
        (b'"\\ud800"', "JSON_LONE_SURROGATE"),
        (b'{"a":["\\uDC00"]}', "JSON_LONE_SURROGATE"),
        (b'{"\\udfff":1}', "JSON_LONE_SURROGATE"),
        (b"[" + b"[]," * 100 + b"[" * MAX_JSON_DEPTH + b"]" * (MAX_JSON_DEPTH + 1), "JSON_TOO_DEEP"),
        (b"[" * (MAX_JSON_DEPTH + 1) + b"]" * (MAX_JSON_DEPTH + 1), "JSON_TOO_DEEP"),
        (b'{"a":' * (MAX_JSON_DEPTH + 1) + b"1" + b"}" * (MAX_JSON_DEPTH + 1), "JSON_TOO_DEEP"),
    ],
)
def test_what_is_no_strict_json_is_refused(text: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_json(text)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"9007199254740991", MAX_SAFE_INTEGER),
        (b"-9007199254740991", -MAX_SAFE_INTEGER),
        (b"9007199254740991.0", float(MAX_SAFE_INTEGER)),
        (b"1e21", 1e21),
        (b"1e15", 1e15),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b" [] ", []),
        (b"[[]]" * 0 + b"[" + b",".join([b"[]"] * 100) + b"]", [[]] * 100),
    ],
)
def test_what_is_strict_json_is_read(text: bytes, value: object) -> None:
    assert parse_json(text) == value


def test_an_object_is_one() -> None:
    assert parse_object(b"{}") == {}
    with pytest.raises(Refused, match="JSON_INVALID"):
        parse_object(b"[]")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('{"b":1,"10":2,"9":3,"a":4}', '{"9":3,"10":2,"b":1,"a":4}'),
        ('{"4294967295":1,"4294967294":2,"01":3,"0":4}', '{"0":4,"4294967294":2,"4294967295":1,"01":3}'),
        ('{"a":1,"4294967295":2,"0":3}', '{"0":3,"a":1,"4294967295":2}'),
        ('{"a":{"1":1,"0":1.0}}', '{"a":{"0":1,"1":1}}'),
        ("[1.0,-0.0,-0,1e21,1e-7,0.000001,true,false,null]", "[1,0,0,1e+21,1e-7,0.000001,true,false,null]"),
        ('["\\u0008\\t\\n\\f\\r\\u000b\\u001f\\u007f\\u2028\\"\\\\\\/"]', '["\\b\\t\\n\\f\\r\\u000b\\u001f\x7f\u2028\\"\\\\/"]'),
        ('["a" , "b"]', '["a","b"]'),
        ('"a"', '"a"'),
        ("1.0", "1"),
    ],
)  # fmt: skip
def test_the_stringified_form_is_that_of_javascript(text: str, form: str) -> None:
    assert stringify(parse_json(text.encode())).decode() == form


@pytest.mark.parametrize("text", ['{"a": 1}', '{"a":1.0}', '{"a":-0}', '{"a":"\\u0061"}', '{"1":1,"0":1}', '{"a":1}\n'])
def test_a_text_in_neither_form_is_not_accepted(text: str) -> None:
    with pytest.raises(Refused, match="PAYLOAD_TEXT_NOT_ACCEPTED"):
        check_payload_text(text.encode())


@pytest.mark.parametrize(
    "text", ['{"b":1,"a":2}', '{"a":2,"b":1}', '{"0":1,"1":1}', '{"10":1,"9":1}', '{"9":1,"10":1}', "{}"]
)
def test_a_text_in_either_form_is_accepted(text: str) -> None:
    assert check_payload_text(text.encode()) == parse_json(text.encode())


def test_a_payload_is_an_object() -> None:
    with pytest.raises(Refused, match="SCHEMA_VALIDATION_FAILED"):
        check_payload_text(b"[]")
