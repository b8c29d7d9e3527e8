"""Our text is exactly what JavaScript's ``JSON.stringify(JSON.parse(text))`` gives, which is what proxies in the field sign."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trustlog.formats.jsontext import accepted_text, parse_json, stringify

ANSWERS: list[tuple[str, str]] = json.loads(
    Path(__file__).with_name("stringify_answers.json").read_text(encoding="ascii")
)  # made by Node: see make_stringify_answers.py


def test_every_answer_of_node_is_ours() -> None:
    assert len(ANSWERS) == 250
    for text, answer in ANSWERS:
        assert stringify(parse_json(text.encode())) == answer.encode(), text


def test_what_node_writes_is_accepted_as_it_stands() -> None:
    for _, answer in ANSWERS:
        assert accepted_text(answer.encode(), parse_json(answer.encode())), answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"b":1,"a":2}', '{"b":1,"a":2}'),
        ('{"b":1,"10":2,"9":3,"a":4,"01":5}', '{"9":3,"10":2,"b":1,"a":4,"01":5}'),
        ('{"4294967295":1,"4294967294":2}', '{"4294967294":2,"4294967295":1}'),
        ("[1.0,-0,-0.0,1e0]", "[1,0,0,1]"),
        ("[1e21,1e-6,1e-7]", "[1e+21,0.000001,1e-7]"),
        ('"\\u0008\\u0009\\u000a\\u000c\\u000d\\u000b\\u001F"', '"\\b\\t\\n\\f\\r\\u000b\\u001f"'),
        ('"\\u007f\\u2028\\u00e9\\/"', '"\u007f\u2028é/"'),
        ('{"__proto__":{"x":1},"a":0}', '{"__proto__":{"x":1},"a":0}'),
    ],
)
def test_the_rules_by_example(text: str, answer: str) -> None:
    assert stringify(parse_json(text.encode())).decode() == answer
