"""The changes that may live, each with its reason: explained.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from tests.mutation.changes import Change

EXPLAINED = Path(__file__).with_name("explained.toml")


def read_explained(path: Path = EXPLAINED) -> dict[tuple[str, str, str, int], str]:
    """The reason of each change that may live, by its name."""
    table = tomllib.loads(path.read_text("utf-8"))
    result: dict[tuple[str, str, str, int], str] = {}
    for group in table["group"]:
        for file, functions in group["changes"].items():
            for function, texts in functions.items():
                for text in texts:
                    told, _, number = text.rpartition(" #")
                    name = (file, function, told, int(number)) if told else (file, function, text, 0)
                    result[name] = group["why"]
    return result


def stale(explained: Iterable[tuple[str, str, str, int]], changes: Iterable[Change]) -> list[tuple[str, str, str, int]]:
    """The names that no change has."""
    known = {change.name for change in changes}
    return sorted(set(explained) - known)
