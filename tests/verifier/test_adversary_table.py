"""The table of attacks names tests that exist, and every adversary's test stands in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
TABLE = HERE / "adversary" / "README.md"
ROW = re.compile(r"\| (?P<attack>.+) \| `(?P<file>[a-z_/]+\.py)::(?P<test>test_[a-z0-9_]+)` \|")
HONEST = ("_passes", "_honest_witnesses")  # what shows that an attack's surroundings are not what fails


def names_in(file: Path) -> set[str]:
    """The names of a file's tests."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def listed() -> list[tuple[str, str, str]]:
    """Attack, file and test of every row."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    rows = [ROW.fullmatch(line) for line in lines if line != "| attack | test |"]
    assert None not in rows
    return [(row["attack"], row["file"], row["test"]) for row in rows if row is not None]


def test_there_are_at_least_60_attacks() -> None:
    assert len({attack for attack, _, _ in listed()}) >= 60
    assert len({(file, test) for _, file, test in listed()}) >= 60


def test_every_listed_test_exists() -> None:
    assert {(file, test) for _, file, test in listed() if test not in names_in(HERE / file)} == set()


def test_every_test_of_an_adversary_is_listed() -> None:
    found = {
        (f"adversary/{file.name}", test)
        for file in (HERE / "adversary").glob("test_*.py")
        for test in names_in(file)
        if not test.endswith(HONEST)
    }
    assert found - {(file, test) for _, file, test in listed()} == set()
