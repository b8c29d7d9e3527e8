"""What stands on a terminal: within its width, without control characters, in colour only where that is wanted."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.changebuilder import Change, trust_toml
from verifier.cli import main
from verifier.display import clean, plain, to_json_line, width_of, wrap
from verifier.reasons import REASONS
from verifier.report import Check, Report, Status, conclude
from verifier.text import render

STATUSES = [Status.PASS, Status.PROVEN, Status.ATTESTED, Status.UNDECIDED, Status.FAIL]
TEXTS = st.text(max_size=200)
CHECKS = st.builds(
    Check,
    st.sampled_from(["log", "evidence", "policy", "approvals", "execution"]),
    st.one_of(st.just("counts"), TEXTS.map(lambda text: f"listed[{text[:64]}]")),
    st.sampled_from(STATUSES),
    st.none() | st.just("APPROVALS_INSUFFICIENT"),
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.none() | st.integers(0, 2**63 - 1),
)


@given(st.lists(CHECKS, max_size=5), st.sampled_from([72, 80, 120]))
def test_every_line_fits_and_every_character_is_printable(checks: list[Check], columns: int) -> None:
    text = render(conclude(checks, not_proven=["x"], trust_policy_sha256="0" * 64, passed="passed"), columns=columns)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert max(width_of(line) for line in text.split("\n")) <= columns


@given(TEXTS, st.integers(4, 40))
def test_wrapping_loses_nothing_but_spaces(text: str, columns: int) -> None:
    lines = wrap(clean(text), columns)
    assert "".join("".join(lines).split()) == "".join(clean(text).split())
    assert all(width_of(line) <= columns for line in lines)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_line_of_json_is_printable_and_means_the_same(value: object) -> None:
    line = to_json_line(value)
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert json.loads(line) == value


def test_every_attested_check_is_listed_as_not_proven_with_its_gate() -> None:
    check = Check("policy", "round[x]", Status.ATTESTED, None, "no earlier allow [x]", "attested by did:key:z6Mk", 3)
    report = conclude([check], not_proven=[], trust_policy_sha256=None, passed="")
    assert report.status is Status.PASS
    assert report.not_proven == ("no earlier allow [x]: attested by did:key:z6Mk, not proven from the whole log",)


@pytest.mark.parametrize("status", list(Status))
def test_every_way_to_end_is_named_in_words(status: Status) -> None:
    text = render(Report(status, "OK", "reason", (Check("log", "x", status),), (), None), paint=plain)
    assert text.count("\n") >= 3
    assert status.value in text or status in (Status.PASS, Status.PROVEN, Status.ATTESTED)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "pack.json").write_bytes(Change().build().pack_bytes())
    (tmp_path / "trust.toml").write_bytes(trust_toml())
    return ["evidence", str(tmp_path / "pack.json"), "--trust", str(tmp_path / "trust.toml"), "--at", "2026-03-02"]


@pytest.mark.parametrize(
    ("stream", "settings", "coloured"),
    [
        (Terminal, {}, True),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (io.StringIO, {}, False),
    ],
)
def test_colour_only_on_a_terminal_that_wants_it(
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    stream: type[io.StringIO],
    settings: dict[str, str],
    coloured: bool,
) -> None:
    out = stream()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert main([*arguments, "--explain"]) == 0
    assert ("\x1b[" in out.getvalue()) is coloured


@pytest.mark.parametrize("columns", ["80", "120"])
def test_the_verdict_keeps_to_the_width_of_the_terminal(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(arguments) == 0
    widest = max(len(line) for line in capsys.readouterr().out.split("\n"))
    assert int(columns) - 12 <= widest <= int(columns)


def test_an_error_cannot_move_the_cursor_either(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trust.toml").write_bytes(b'"\\u001b[2J\\u202e" = 1\n')
    assert main([*arguments, "--json"]) == 2
    captured = capsys.readouterr()
    assert all(letter.isprintable() or letter == "\n" for letter in captured.err + captured.out)


def test_explain_lists_every_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    assert [line.split(" ")[0] for line in capsys.readouterr().out.strip().split("\n")] == sorted(REASONS)
    assert main(["explain", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.strip().split("\n")]
    assert {line["code"] for line in lines} == set(REASONS)
    assert all(set(line) == {"code", "sentence", "cause", "next_step"} for line in lines)


@pytest.mark.parametrize("command", ["evidence", "proof", "consistency", "log", "explain"])
def test_help_ends_with_whole_examples_and_the_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    *_, example, codes = capsys.readouterr().out.strip().split("\n")
    assert example.startswith(f"example: trustlog-verify {command}")
    assert codes == "exit codes: 0 pass, 1 fail, 2 usage or unreadable input, 3 undecided"
