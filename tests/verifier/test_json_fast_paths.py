"""The short cuts through JSON give what the long ways give: the two text forms, and the depth of nesting."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from verifier.errors import Refused
from verifier.jsontext import canonicalize, check_payload_text, parse_json, stringify
from verifier.limits import MAX_JSON_DEPTH

NAMES = st.text(max_size=6) | st.sampled_from(
    ["0", "10", "9", "4294967295", "é", "\U0001f600", "\ue000", 'a":1.5,"', "\x7f"]
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | NAMES
NUMBERS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not 2**53 <= abs(x) < 1e21)
VALUES = st.recursive(
    SCALARS | NUMBERS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4)
)


@given(VALUES)
@example({"a": 2**53 - 1, "b": -0.0})
@example({"\ue000": 1, "\U0001f600": 2})
@example([1e21, 1e-7, 0.1])
def test_the_canonical_form_is_that_of_the_library(value: Any) -> None:
    assert canonicalize(value) == rfc8785.dumps(value)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_both_forms_are_accepted_and_mean_the_same(value: dict[str, Any]) -> None:
    for text in (stringify(value), canonicalize(value)):
        again = check_payload_text(text)
        assert canonicalize(again) == canonicalize(value)


@pytest.mark.parametrize("value", [{"a": 2**53}, {"a": [10**16]}, {"a": -(10**20)}])
def test_a_large_integer_takes_no_short_cut(value: Any) -> None:
    with pytest.raises(Refused):
        canonicalize(value)


@given(st.lists(st.sampled_from(['"', "\\", "[", "]", "{", "}", "\\\\", '\\"', "x"]), max_size=12).map("".join))
def test_brackets_in_strings_are_no_depth(text: str) -> None:
    spelled = json.dumps([text * 80, [[]]])
    assert parse_json(spelled.encode()) == [text * 80, [[]]]


@pytest.mark.parametrize("text", ['"', '\\"', "\\\\", '\\\\\\"', "]", "["])
def test_depth_is_counted_beside_strings_of_any_kind(text: str) -> None:
    string = json.dumps(text * 9)
    deep = "[" * MAX_JSON_DEPTH + string + "]" * MAX_JSON_DEPTH
    assert parse_json(deep.encode())
    with pytest.raises(Refused) as refused:
        parse_json(f"[{string},{deep}]".encode())
    assert refused.value.code == "JSON_TOO_DEEP"
