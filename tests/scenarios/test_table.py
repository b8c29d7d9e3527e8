"""The table in this folder's README has every row of the scenarios and every test of the folder, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = re.compile(r"`(test_[a-z_]+\.py)`: ((?:`[a-z_]+`(?:, )?)+)")


def rows_of_the_table() -> Iterator[list[str]]:
    """The cells of each row."""
    text = (HERE / "README.md").read_text().partition("## Every row")[2].partition("\n## ")[0]
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| row |"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def named_tests() -> set[tuple[str, str]]:
    """File and test of everything that the table names."""
    named = set()
    for _row, tests, _pending in rows_of_the_table():
        for file, names in TESTS.findall(tests):
            named |= {(file, f"test_{name}") for name in re.findall(r"`([a-z_]+)`", names)}
    return named


def rows_of_the_scenarios(text: str) -> Iterator[str]:
    """Every name of a threat and of something that went wrong, everything that can be missing, and the honest path."""
    for title in re.findall(r"^## (.*)$", text, re.MULTILINE):
        section = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
        if title == "The honest path":
            yield title
        for line in section.splitlines():
            if line.startswith("| ") and not line.startswith("| name |"):
                yield line.split("|")[1].strip()
        if title == "When something is missing":
            yield from (one.strip() for one in section.partition(":")[0].split("·"))


def test_every_test_is_in_the_table_and_the_table_names_only_tests() -> None:
    here = set()
    for path in HERE.glob("test_*.py"):
        functions = [one for one in ast.parse(path.read_text()).body if isinstance(one, ast.AsyncFunctionDef)]
        here |= {(path.name, one.name) for one in functions if one.name.startswith("test_")}
    assert here == named_tests()
    assert len(here) > 80


def test_every_row_of_the_scenarios_is_in_the_table(shared: Path) -> None:
    rows = list(rows_of_the_scenarios((shared / "SCENARIOS.md").read_text()))
    assert len(rows) == 1 + 8 + 4 + 12
    assert [row for row, _tests, _pending in rows_of_the_table()] == rows


def test_every_row_has_tests_or_says_why_not() -> None:
    for row, tests, pending in rows_of_the_table():
        assert TESTS.match(tests) or pending, row
