"""Where standard output or standard error cannot be written, the exit code still tells no lie: never 0, never 1 by a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verifier.changebuilder import Change, trust_toml
from tests.waiting import PATIENCE_S
from verifier.output import Unwritable, write_out

ROOT = Path(__file__).resolve().parents[2]
CLOSED = "import os, sys; os.close({}); os.execv(sys.executable, [sys.executable, '-m', 'verifier', *sys.argv[1:]])"
UNWRITABLE = "error: standard output cannot be written: "


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "verifier", *arguments]


@pytest.fixture
def judged(tmp_path: Path) -> Callable[..., list[str]]:
    """Arguments that judge a pack: one that passes, or one that fails."""
    (tmp_path / "trust.toml").write_bytes(trust_toml())

    def write(*, fails: bool = False) -> list[str]:
        members = {"closure": lambda payload: payload.update(closing_reason="another")} if fails else {}
        (tmp_path / "pack.json").write_bytes(Change(edit=members).build().pack_bytes())
        return ["evidence", str(tmp_path / "pack.json"), "--trust", str(tmp_path / "trust.toml"), "--at", "2026-03-02"]

    return write


@pytest.mark.parametrize(("fails", "code"), [(False, 0), (True, 1)])
@pytest.mark.parametrize("more", [[], ["--json"], ["--explain"]])
def test_a_reader_that_leaves_does_not_change_the_verdict(
    judged: Callable[..., list[str]], fails: bool, code: int, more: list[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # nobody reads, from the first byte on
    try:
        done = subprocess.run(
            command(*judged(fails=fails), *more),
            stdout=writing,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            timeout=PATIENCE_S,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no device that is always full")
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("more", [[], ["--json"], ["--help"]])
def test_a_verdict_that_nobody_could_be_told_is_none(judged: Callable[..., list[str]], fails: bool, more: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command(*judged(fails=fails), *more),
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.decode().startswith(UNWRITABLE)
    assert done.stderr.count(b"\n") == 2


@pytest.mark.parametrize("more", [[], ["--json"], ["--help"], ["--no-such-option", "--json"]])
def test_a_closed_standard_output_is_said(judged: Callable[..., list[str]], more: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSED.format(1), *judged(), *more],
        stderr=subprocess.PIPE,
        cwd=ROOT,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert (UNWRITABLE + "it is closed").encode() in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["evidence"], ["evidence", "missing", "--trust", "missing"], ["explain", "NOTHING"]])
def test_without_a_standard_error_unreadable_input_is_no_fail(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSED.format(2), *arguments],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_library_made_for_another_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "rfc8785.py").write_text("raise ImportError('made for another Python')\n", encoding="utf-8")
    done = subprocess.run(
        command("log", "nowhere", "--trust", "nothing"),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: the verifier needs pynacl and rfc8785 (made for another Python)\n")


def test_an_ascii_terminal_reads_spellings_of_ours_and_escapes(judged: Callable[..., list[str]]) -> None:
    done = subprocess.run(
        command(*judged(), "--explain"),
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0
    text = done.stdout.decode("ascii")
    assert "SHA-256(0x01 || left || right) =" in text
    assert "did:key:z6Mko8fn..." in text


def test_what_is_written_without_a_standard_output_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(Unwritable, match="it is closed"):
        write_out("anything")
