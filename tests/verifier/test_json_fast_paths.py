"""The short cuts through JSON give what the long ways give: the two text forms, and the depth of nesting."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from verifier.errors import Refused
from verifier.jsonforms import canonicalize, is_at_most, stringify
from verifier.jsontext import parse_json
from verifier.limits import MAX_JSON_DEPTH
from verifier.payloadtext import _parse_accepted, check_payload_text, parse_sorted

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


@given(VALUES)
@example({"1": 1, "0": 2, "a": 1e-06})
def test_the_written_form_is_that_of_the_long_way(value: Any) -> None:
    """A float in the same text sends all of it the long way."""
    assert stringify([value, 0.5]) == b"[" + stringify(value) + b",0.5]"


@pytest.mark.parametrize(
    ("number", "spelled"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1e-06, "0.000001"),
        (1e-07, "1e-7"),
        (1.5e-07, "1.5e-7"),
        (1e21, "1e+21"),
        (5e-324, "5e-324"),
    ],
)
@pytest.mark.parametrize("around", [("[", "]"), ('{"a":', "}"), ('{"a":[true,', ',"x"]}')])
def test_a_number_is_spelled_as_ecmascript_spells_it(number: float, spelled: str, around: tuple[str, str]) -> None:
    """Python spells most of these otherwise."""
    value = json.loads(repr(number).join(around))
    assert stringify(value) == canonicalize(value) == spelled.join(around).encode()


def spellings(value: Any) -> list[bytes]:
    """Texts that mean the value: accepted ones, and some that are not."""
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    texts = [plain, json.dumps(value, separators=(",", ":")), json.dumps(value, ensure_ascii=False), plain + "\n"]
    texts += [plain.replace("{", '{"a":1,', 1), plain.replace("{", '{"a":1,"a":1,', 1), plain.replace(":1", ":1.0")]
    texts += [plain.replace('"', '"\\ud800', 1), plain.replace(":1", ":-0"), plain.replace(":1", ":9007199254740993")]
    return [stringify(value), canonicalize(value), *(text.encode("utf-8") for text in texts)]


def outcome(read: Callable[[bytes], object], data: bytes) -> str:
    """The value read and its order, or the code of the refusal."""
    try:
        return repr(read(data))
    except Refused as refused:
        return refused.code


def read_the_long_way(data: bytes) -> object:
    value = parse_json(data)
    if data not in (stringify(value), canonicalize(value)):
        raise Refused("PAYLOAD_TEXT_NOT_ACCEPTED", "text")
    return value


@given(st.dictionaries(NAMES, VALUES | st.just(1), max_size=4))
@example({"a": 1})
@example({"10": 1, "9": [1e-06]})
@example({"b": "\U0001f600", "a": {"\ue000": 1, "\U0001f600": 2}})
def test_any_text_is_read_as_the_long_way_reads_it(value: dict[str, Any]) -> None:
    for text in spellings(value):
        assert outcome(check_payload_text, text) == outcome(read_the_long_way, text)


@given(st.dictionaries(NAMES, VALUES | st.just(1), max_size=4))
@example({"a": 1})
def test_what_is_read_as_sorted_is_its_own_canonical_form(value: dict[str, Any]) -> None:
    """Of texts with ASCII keys; and every such text without floats is read."""
    for text in spellings(value):
        found = parse_sorted(text)
        if found is not None and text.isascii():
            assert repr(found) == repr(parse_json(text))
            assert canonicalize(found) == text
    plain = json.loads(json.dumps(value), parse_float=lambda _: 0)
    if json.dumps(plain).isascii() and canonicalize(plain).isascii():
        assert parse_sorted(canonicalize(plain)) == plain


LARGE = "x" * (17 << 10)  # what makes a text so large that it is compared piece by piece


@given(st.lists(VALUES, max_size=3), st.sampled_from([0, 1, 63, 64, 65, 130]), st.integers(0, 200))
@example([1], 64, 64)
@example([{"b": 1, "a": 2}], 65, 3)
@example(["]"], 64, 63)
@example([], 0, 0)
def test_a_large_text_is_read_as_the_long_way_reads_it(items: list[Any], more: int, at: int) -> None:
    """Arrays of any length around the number of items that are compared at once, and a fault at any of their items."""
    value = {"a": LARGE, "b": items + [{"n": 1, "o": [2]}] * more, "c": {}, "d": []}
    for base in (value, dict(reversed(value.items()))):
        texts = spellings(base)
        plain = stringify(base)
        places = [place for place in range(len(plain)) if plain.startswith(b'{"n":1', place)]
        if places:
            place = places[at % len(places)]
            faults = (
                b'{"n": 1',
                b'{"n":-0',
                b'{"n":1.0',
                b'{"n":1,"n":1',
                b'{"\\u006e":1',
                b'{ "n":1',
                b'{"o":1',
                b'{"0":1',
            )
            texts += [plain[:place] + fault + plain[place + 6 :] for fault in faults]
        for text in (*texts, plain[:-1], plain[:-1] + b"]", plain + b"}"):
            expected = outcome(read_the_long_way, text)
            assert outcome(check_payload_text, text) == expected
            found = parse_sorted(text)
            if found is not None and text.isascii():
                assert repr(found) == expected
                assert canonicalize(found) == text


@pytest.mark.parametrize("items", [0, 1, 63, 64, 65, 128, 129, 1000])
def test_a_large_text_takes_the_fast_way(items: int) -> None:
    value: dict[str, Any] = {"a": LARGE, "b": [{"n": 1, "o": "x"}] * items, "c": 0}
    assert parse_sorted(canonicalize(value)) == value
    backwards = dict(reversed(value.items()))
    assert _parse_accepted(stringify(backwards)) == value
    assert parse_sorted(stringify(backwards)) is None


@pytest.mark.parametrize("members", [63, 64, 65, 200])
def test_an_object_of_many_members_is_read_whole_or_in_pieces(members: int) -> None:
    value: dict[str, Any] = {f"a{number}": [number, LARGE] for number in range(members)}
    for text in (stringify(value), canonicalize(value)):
        assert repr(check_payload_text(text)) == repr(read_the_long_way(text))
    assert parse_sorted(canonicalize(value)) == value


@given(VALUES, st.integers(-2, 2))
@example([4e-06] * 20, 0)
@example({"\x01é": [1e-05, -2.5e-06]}, -1)
def test_a_length_is_that_of_the_canonical_form(value: Any, beside: int) -> None:
    length = len(canonicalize(value))
    assert is_at_most(value, length + beside) == (beside >= 0)
    assert is_at_most(value, 2 * length)


@pytest.mark.parametrize("levels", [MAX_JSON_DEPTH - 1, MAX_JSON_DEPTH, MAX_JSON_DEPTH + 1, 900, 5000])
@pytest.mark.parametrize("around", [(b'{"a":', b"}"), (b"[", b"]")])
def test_a_payload_may_be_as_deep_as_any_text(levels: int, around: tuple[bytes, bytes]) -> None:
    text = b'{"a":' + around[0] * (levels - 1) + b"1" + around[1] * (levels - 1) + b"}"
    assert outcome(check_payload_text, text) == outcome(read_the_long_way, text)
    assert (parse_sorted(text) is not None) == (levels <= MAX_JSON_DEPTH)


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
