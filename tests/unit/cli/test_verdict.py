"""The verifier as a process: its verdict is taken only as documented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trustlog.cli.verdict import find_verifier, judge_pack
from trustlog.errors import Fatal

GOOD: dict[str, Any] = {"status": "PASS", "reason_code": "OK", "reason": "all is well", "checks": [], "not_proven": ["time"]}


def fake_verifier(place: Path, output: str, code: int) -> Path:
    """A verifier that says `output` and exits with `code`, and notes its arguments."""
    (place / "verifier").mkdir()
    (place / "verifier" / "__init__.py").touch()  # else an installed one goes first
    (place / "verifier" / "__main__.py").write_text(
        "import sys\n"
        f"open({str(place / 'arguments')!r}, 'w').write('\\n'.join(sys.argv[1:]))\n"
        f"print({output!r})\nsys.exit({code})\n"
    )
    return place


def test_the_verifier_stands_beside_the_package() -> None:
    beside = find_verifier()
    assert beside is not None
    assert (beside / "verifier" / "__main__.py").is_file()


@pytest.mark.parametrize(("status", "code"), [("PASS", 0), ("FAIL", 1), ("ERROR", 2), ("UNDECIDED", 3)])
def test_a_verdict_has_its_exit_code(status: str, code: int, tmp_path: Path) -> None:
    beside = fake_verifier(tmp_path, json.dumps({**GOOD, "status": status}), code)
    verdict = judge_pack(b"{}", b"", beside=beside, origin="log.test/x")
    assert (verdict.status, verdict.exit_code) == (status, code)
    assert verdict.lines() == [f"{status}: OK: all is well", "not proven:", "  time"]


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("", 0),
        ("no JSON", 0),
        ("[]", 0),
        ("{}", 0),
        (json.dumps({**GOOD, "status": "GOOD"}), 0),
        (json.dumps({**GOOD, "status": ["PASS"]}), 0),
        (json.dumps(GOOD), 1),
        (json.dumps({**GOOD, "status": "FAIL"}), 0),
        (json.dumps(GOOD), -9),
        (json.dumps({**GOOD, "not_proven": None}), 0),
    ],
)
def test_anything_else_is_no_verdict(output: str, code: int, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="INTERNAL_ERROR"):
        judge_pack(b"{}", b"", beside=fake_verifier(tmp_path, output, code), origin="log.test/x")


@pytest.mark.parametrize(("origin", "allowed"), [("trustlog.test/demo", True), ("demo", False), ("log.test/demo/x", False)])
def test_only_a_demo_is_judged_as_a_demo(origin: str, allowed: bool, tmp_path: Path) -> None:
    judge_pack(b"{}", b"", beside=fake_verifier(tmp_path, json.dumps(GOOD), 0), origin=origin)
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[0] == "evidence"
    assert ("--allow-demo" in arguments) is allowed


def test_a_verifier_in_the_working_directory_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = tmp_path / "installed"
    elsewhere = tmp_path / "working"
    beside.mkdir()
    elsewhere.mkdir()
    fake_verifier(beside, json.dumps(GOOD), 0)
    fake_verifier(elsewhere, json.dumps({**GOOD, "reason": "planted"}), 0)
    monkeypatch.chdir(elsewhere)
    verdict = judge_pack(b"{}", b"", beside=beside, origin="log.test/x")
    assert verdict.document["reason"] == "all is well"
