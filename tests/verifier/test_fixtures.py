"""Every fixture is judged as its folder says, and none that must not pass exits 0: here, where trustlog may be absent."""

from __future__ import annotations

import contextlib
import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from verifier.cli import main
from verifier.reasons import REASONS

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
FOLDERS = sorted(path.parent.relative_to(FIXTURES).as_posix() for path in FIXTURES.rglob("expected.json"))
STORIES = [folder for folder in FOLDERS if folder.startswith("scenarios/")]


@cache
def judge(folder: str) -> tuple[int, Any]:
    """Exit code and report; a story's whole log is read, so each is judged once."""
    said = io.StringIO()
    with contextlib.chdir(FIXTURES / folder), contextlib.redirect_stdout(said):
        arguments = json.loads(Path("expected.json").read_bytes())["arguments"]
        code = main([*arguments, "--json"])
    return code, json.loads(said.getvalue())


@pytest.mark.timeout(1200)  # whole logs are read, a hundred times
def test_no_fixture_but_the_honest_ones_exits_0() -> None:
    passed = {folder for folder in FOLDERS if judge(folder)[0] == 0}
    assert passed == {folder for folder in FOLDERS if not folder.endswith("_fail")}
    assert len(FOLDERS) - len(passed) >= 100
    assert len(STORIES) >= 100


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_fixture_is_judged_as_its_folder_says(folder: str) -> None:
    expected = json.loads((FIXTURES / folder / "expected.json").read_bytes())
    code, report = judge(folder)
    assert (code, report["status"], report["reason_code"]) == (expected["exit"], expected["status"], expected["reason_code"])
    assert report["reason_code"] == "OK" or report["reason_code"] in REASONS
    for check in report["checks"]:
        assert check["name"].count(".") >= 1, check
        assert check["found"], check
        if check["status"] in ("FAIL", "UNDECIDED"):
            assert check["reason_code"] in REASONS, check
            assert check["expected"], check
        else:
            assert check["reason_code"] is None, check
