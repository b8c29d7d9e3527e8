"""Every member of the schema is explained, and nothing else is; a path is spelt as JSONPath says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from trustlog.policy.members import MEMBERS, member_lines
from trustlog.policy.paths import json_path
from trustlog.records.work_policy_contract import ChangeManagement, Tool


def members_of(schema: Any, prefix: str = "") -> Iterator[str]:
    for name, hint in get_type_hints(schema).items():
        if name.startswith("_"):
            continue
        yield prefix + name
        for inner in (hint, *(() if get_origin(hint) is dict else get_args(hint))):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                yield from members_of(inner, f"{prefix}{name}.")


def test_every_member_of_the_schema_is_explained_and_nothing_else_is() -> None:
    schema = {*members_of(ChangeManagement), *members_of(Tool, "tools.NAME."), "policy_hash"}
    assert schema == MEMBERS.keys()
    assert "tools.NAME.step_up.acr" in schema


def test_what_must_be_there_is_called_required() -> None:
    def required(schema: Any, prefix: str = "") -> Iterator[str]:
        for field in msgspec.structs.fields(schema):
            if field.required:
                yield prefix + field.name

    for name in [*required(ChangeManagement), *required(Tool, "tools.NAME.")]:
        assert MEMBERS[name].startswith("required"), name
    optional = {field.name for field in msgspec.structs.fields(Tool) if not field.required}
    assert not [name for name in optional if MEMBERS[f"tools.NAME.{name}"].startswith("required")]


def test_the_lines_fit_a_terminal() -> None:
    assert max(len(line) for line in member_lines()) <= 88
    assert len(member_lines()) == len(MEMBERS) + 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "$"),
        (("tools", "change.execute", "environments", 0), "$.tools['change.execute'].environments[0]"),
        (("metadata", "it's", "a\\b"), "$.metadata['it\\'s']['a\\\\b']"),
    ],
)
def test_paths(path: tuple[str | int, ...], text: str) -> None:
    assert json_path(path) == text
