"""Every fixture is judged as its folder says, and none that must not pass exits 0: here, where trustlog may be absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from verifier.cli import main
from verifier.reasons import REASONS

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
FOLDERS = sorted(path.parent.name for path in FIXTURES.glob("*/expected.json"))


def judge(folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    monkeypatch.chdir(FIXTURES / folder)
    arguments = json.loads((FIXTURES / folder / "expected.json").read_bytes())["arguments"]
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_no_fixture_but_the_honest_ones_exits_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    passed = {folder for folder in FOLDERS if judge(folder, monkeypatch, capsys)[0] == 0}
    assert passed == {folder for folder in FOLDERS if not folder.endswith("_fail")}
    assert len(FOLDERS) - len(passed) >= 40


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_fixture_is_judged_as_its_folder_says(
    folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = json.loads((FIXTURES / folder / "expected.json").read_bytes())
    code, report = judge(folder, monkeypatch, capsys)
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
