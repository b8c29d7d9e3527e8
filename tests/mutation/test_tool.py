"""The tool itself: every change is another program, names tell changes apart, and what lives is explained or told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.changes import Change, changes_of
from tests.mutation.explained import read_explained, stale
from tests.mutation.run import FILES, ROOT, changes_in

PEOPLE = ("tests/verifier/adversary/test_people.py", "tests/verifier/test_who_may.py")


def _sample(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.mutation.run", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def _changes(tmp_path: Path, source: str) -> list[Change]:
    (tmp_path / "module.py").write_text(source)
    return changes_of(tmp_path, "module.py")


def test_each_change_compiles_and_differs_from_the_source() -> None:
    for change in changes_in(FILES, sample=60):
        source = (ROOT / change.file).read_text()
        changed = compile(change.tree(source), change.file, "exec")
        assert changed != compile(source, change.file, "exec"), change.name


def test_no_two_changes_have_one_name() -> None:
    names = [change.name for change in changes_in(FILES)]
    assert len(set(names)) == len(names)


def test_a_change_keeps_its_name_when_lines_above_it_are_added(tmp_path: Path) -> None:
    source = "def f(x):\n    return 1 if x > 0 else 2\n"
    below = "def g(x):\n    return x + 1\n\n\n" + source
    before = {change.name for change in _changes(tmp_path, source)}
    assert before <= {change.name for change in _changes(tmp_path, below)}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def f(x):\n    return x < 1", "`x < 1` with LtE"),
        ("def f(x, y):\n    return g(x and y)", "without operand `y`"),
        ("def f(x):\n    if not x:\n        raise x", "without `raise x`"),
        ("def f(x):\n    raise Refused('HASH_MISMATCH', 'x')", "another code than HASH_MISMATCH"),
        ("def f(x):\n    return [y for y in x if y]", "without `if y`"),
        ("def f(a, b, c, d):\n    return (a, b) == (c, d)", "`a` not compared"),
        ("def f(x):\n    g(x)", "without `g(x)`"),
        ("def f(x):\n    return any(x)", "all instead of any"),
        ("class C:\n    x: str = s.member(s.text)", "`s.member(s.text)` accepts anything"),
        ("K = {'a': 1, 'b': 2}", "without item `'b'`"),
        ("K = (a, b)", "without element `a`"),
    ],
)
def test_it_changes(tmp_path: Path, source: str, told: str) -> None:
    assert told in [change.text for change in _changes(tmp_path, source)]


@pytest.mark.parametrize(
    "source",
    [
        "def f(x: int | None = 3) -> None:\n    '''Says 1.'''",
        "import a",
        "R = Aa | Bb",
        "def f(x):\n    assert x > 1",
    ],
)
def test_it_leaves_types_texts_and_assertions_alone(tmp_path: Path, source: str) -> None:
    assert _changes(tmp_path, source) == []


def test_every_explained_change_is_one_of_todays() -> None:
    """What is listed here was changed since: drop it from explained.toml, and run the tool on its file."""
    assert stale(read_explained(), changes_in(FILES)) == []


@pytest.mark.slow
def test_no_change_of_a_sample_lives_unexplained() -> None:
    ended = _sample("verifier/ledger/rosters.py", "--sample", "20", "--tests", *PEOPLE)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
def test_what_no_test_notices_is_told() -> None:
    """Tests that know nothing of revocations notice few changes of them."""
    ended = _sample("verifier/ledger/revocations.py", "--sample", "5", "--tests", "tests/verifier/test_keytable.py")
    assert ended.returncode == 1, ended.stderr
    assert "5 changes, 5 live, 5 of them not explained" in ended.stderr
