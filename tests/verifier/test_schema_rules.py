"""The rules that closed schemas are made of: what each takes and what it refuses, on both sides of its bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.verifier.logbuilder import Key
from verifier import schema as s
from verifier.errors import Refused
from verifier.limits import MAX_SAFE_INTEGER

SIGNER = Key("somebody")


@dataclass(frozen=True)
class Point:
    x: int = s.member(s.integer(1, 3))
    y: int | None = s.optional(s.integer())
    given: str = "not a member"


@dataclass(frozen=True)
class Line:
    text: str = s.member(s.text)


def accepts(rule: Callable[[object, str], object], value: object) -> bool:
    try:
        rule(value, "here")
    except Refused as refused:
        said = refused
    else:
        return True
    assert said.code == "SCHEMA_VALIDATION_FAILED"
    assert said.detail.startswith("here")
    return False


def test_a_schema_takes_its_members_and_nothing_else() -> None:
    assert s.decode(Point, {"x": 1}, "here") == Point(1, None)
    assert s.decode(Point, {"x": 1, "y": 0}, "here") == Point(1, 0)
    others: list[object] = [{}, {"y": 1}, {"x": 1, "y": None}, {"x": 1, "z": 1}, {"x": 1, "given": "x"}, [], None]
    for value in others:
        assert not accepts(s.object_of(Point), value), value


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (s.integer(1, 3), [1, 3], [0, 4, True, 1.0, "1", None]),
        (s.integer(), [0, MAX_SAFE_INTEGER], [-1, MAX_SAFE_INTEGER + 1]),
        (s.list_of(s.flag, minimum=1, maximum=2), [[True], [True, False]], [[], [True] * 3, {}, [1], "a"]),
        (s.list_of(s.flag), [[], [True]], [None]),
        (s.matching("[a-z]{1,3}", "letters"), ["a", "abc"], ["", "abcd", "a\n", "\u00e9", 1, None]),
        (s.one_of("a", "b"), ["a", "b"], ["", "c", 1, None, ["a"]]),
        (s.nullable(s.flag), [None, True], [0, "true"]),
        (s.string, ["", "a"], [1, None]),
        (s.text, ["a"], ["", 1, None]),
        (s.text_of(1, 2), ["a", "\u00e9\u00e9"], ["", "abc", 1]),
        (s.flag, [True, False], [0, 1, None, "true"]),
        (s.number, [0, 0.5, -1], [True, "1", None]),
        (s.amount, [0, 0.5], [-0.5, -1, True, "1"]),
        (s.anything, [None, 1, {}], []),
        (s.free_object(2), [{}], [{"a": 1}, [], None]),
        (s.free_object(7), [{"a": 1}], [{"a": 10}]),
        (s.free_object(), [{}, {"a": 1}], []),
        (s.time, ["2026-03-02T09:00:00Z"], ["2026-03-02T09:00:00+00:00", 1]),
        (s.any_time, ["2026-03-02T09:00:00+01:00"], ["2026-03-02", 1]),
        (s.salt, ["A" * 22], ["A" * 21, "A" * 23, "A" * 21 + "B", 1]),
        (s.did_key, [SIGNER.did], [SIGNER.did + "1", "did:web:a", 1]),
        (s.hash43, ["A" * 43], ["A" * 42, "A" * 44, "A" * 42 + "B", "A" * 43 + "\n"]),
        (s.hex64, ["a" * 64], ["a" * 63, "A" * 64, "a" * 65]),
        (s.identifier, ["a" * 128, "A-._:9"], ["", "a" * 129, "a b", "a/b"]),
        (s.ticket, ["a" * 64 + ":" + "A" * 128, "a.b-1:x"], ["a", ":a", "a:", "a" * 65 + ":a", "a:" + "a" * 129, "A:a", "a:b:c"]),
        (s.subject, ["a" * 128], ["", "a" * 129, "a:b"]),
        (s.role_name, ["a" * 64], ["", "a" * 65, "a:b"]),
        (s.loose_hash, ["a" * 8, "a" * 99], ["a" * 7, "a" * 8 + "="]),
        (s.did, ["did:", "did:a\nb"], ["", "DID:a", 1]),
        (s.line, ["a" * 256], ["", "a" * 257]),
        (s.note, ["", "a" * 4096], ["a" * 4097]),
        (s.code, ["A23", "A" * 64], ["AB", "A" * 65, "aBC", "1AB"]),
        (s.tool_name, ["a" * 64], ["", "a" * 65, "a/b"]),
    ],
)  # fmt: skip
def test_a_rule_takes_and_refuses(rule: Callable[[object, str], object], good: list[object], bad: list[object]) -> None:
    for value in good:
        decoded = rule(value, "here")
        if rule in (s.time, s.any_time):
            assert isinstance(decoded, int)
        else:
            assert decoded == (tuple(value) if isinstance(value, list) else value)
    assert [accepts(rule, value) for value in bad] == [False] * len(bad)


def test_a_refusal_names_the_place_and_the_type_of_what_stood_there() -> None:
    with pytest.raises(Refused) as caught:
        s.decode(Line, {"text": 1}, "payload")
    assert (caught.value.detail, caught.value.found) == ("payload.text", "int")
    with pytest.raises(Refused) as caught:
        s.decode(Line, {"text": None}, "payload")
    assert caught.value.found is None
    for rule in (s.matching("[a-z]", "a letter"), s.text_of(1, 1)):
        for value, found in (("AB", None), (1, "int")):
            with pytest.raises(Refused) as caught:
                rule(value, "payload")
            assert caught.value.found == found, "texts are not repeated: they may be long, or private"
