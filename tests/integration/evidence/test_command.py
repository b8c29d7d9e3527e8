"""``trustlog evidence`` as a process, against a served log."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.evidence.conftest import Honest
from tests.integration.evidence.stage import judge
from tests.scripts.commands import Shell
from tests.support.keys import fixture_note_key
from trustlog.cli.main import run
from trustlog.demo.cast import ORIGIN, TICKET


@pytest.fixture
def shell(honest: Honest, tmp_path: Path) -> Iterator[Shell]:
    """A server of a copy of the honest log, its address and trust policy in the environment."""
    shutil.copytree(honest.log, tmp_path / "log")
    shell = Shell(tmp_path)
    shutil.copy(honest.trust, tmp_path / "trust.toml")
    shell.environment["TRUSTLOG_TRUST"] = str(tmp_path / "trust.toml")
    with shell.serve():
        yield shell


def test_it_writes_what_passes_and_never_over_a_file(shell: Shell) -> None:
    out = shell.directory / "change.evidence.json"
    made = shell.run("evidence", "--ticket", TICKET, "--out", out, "--json")
    assert made.code == 0, made
    answer = made.answer
    assert answer["verdict"]["status"] == "PASS"
    assert answer["out"] == str(out)
    assert answer["bytes"] == out.stat().st_size
    body = out.read_bytes()
    assert answer["subject"] == json.loads(body)["subject"]
    assert answer["entries"] == len(json.loads(body)["entries"])
    assert judge(out, shell.directory / "trust.toml").code == 0
    shell.run("evidence", "--ticket", TICKET, "--out", out).check_error("PARAMETER_INVALID", 2)
    out.write_bytes(b"mine")
    shell.run("evidence", "--ticket", TICKET, "--out", out).check_error("PARAMETER_INVALID", 2)
    assert out.read_bytes() == b"mine"
    again = shell.run("evidence", "--bundle", answer["subject"]["bundle"], "--job", "job-1", "--out", out, "--force")
    assert again.code == 0, again
    assert again.out.startswith("PASS: OK: ")
    assert "not proven:\n" in again.out
    assert out.read_bytes() == body


def test_what_is_not_there_leaves_no_file(shell: Shell) -> None:
    out = shell.directory / "none.json"
    for arguments, code, exit_code in (
        (["--ticket", "tickets.example:CHG-9"], "NOT_FOUND", 1),
        (["--ticket", TICKET, "--job", "job-9"], "NOT_FOUND", 1),
        (["--bundle", "A" * 43], "NOT_FOUND", 1),
        (["--bundle", "short"], "BASE64URL_INVALID", 2),
        (["--ticket", "nosystem"], "PARAMETER_INVALID", 2),
        (["--ticket", TICKET, "--bundle", "A" * 43], "PARAMETER_INVALID", 2),
        ([], "PARAMETER_INVALID", 2),
        (["--ticket", TICKET, "--log", "http://127.0.0.1:1"], "LOG_UNREACHABLE", 3),
    ):
        shell.run("evidence", *arguments, "--out", out).check_error(code, exit_code)
        assert not out.exists()


def test_a_pack_that_fails_or_stays_undecided_is_written_and_says_so(shell: Shell) -> None:
    trust = shell.directory / "trust.toml"
    policy = trust.read_text()
    for change, status, code in (
        (('absence = "gate"', 'absence = "log"'), "UNDECIDED", 3),
        (("gates = [", "custodians = ["), "FAIL", 1),
    ):
        trust.write_text(policy.replace(*change))
        out = shell.directory / f"{status}.json"
        made = shell.run("evidence", "--ticket", TICKET, "--out", out, "--json")
        assert (made.code, made.answer["verdict"]["status"]) == (code, status), made
        assert out.exists()


def test_another_log_s_trust_policy_is_refused(shell: Shell) -> None:
    trust = shell.directory / "trust.toml"
    vkey = fixture_note_key(ORIGIN).key.encode()
    lines = [f"log {vkey}" if line.startswith("log ") else line for line in trust.read_text().splitlines()]
    trust.write_text("\n".join(lines) + "\n")
    out = shell.directory / "none.json"
    shell.run("evidence", "--ticket", TICKET, "--out", out).check_error("NOTE_UNVERIFIED", 1)
    assert not out.exists()


def test_what_the_verifier_cannot_read_is_not_written(
    shell: Shell,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    beside = tmp_path_factory.mktemp("verifier")
    (beside / "verifier").mkdir()
    (beside / "verifier" / "__init__.py").touch()  # else an installed one goes first
    verdict = {"status": "ERROR", "reason_code": "PACK_MALFORMED", "reason": "unreadable", "not_proven": []}
    (beside / "verifier" / "__main__.py").write_text(f"print({json.dumps(verdict)!r})\nraise SystemExit(2)\n")
    monkeypatch.setattr("trustlog.cli.evidence.find_verifier", lambda: beside)
    assert _run_here(shell, monkeypatch) == 2
    assert not (shell.directory / "here.json").exists()
    assert capsys.readouterr().err.startswith("error: PACK_MALFORMED: ")


def test_without_a_verifier_the_pack_is_written_and_the_change_undecided(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("trustlog.cli.evidence.find_verifier", lambda: None)
    assert _run_here(shell, monkeypatch) == 3
    assert judge(shell.directory / "here.json", shell.directory / "trust.toml").code == 0
    assert "no verifier is installed" in capsys.readouterr().err


def _run_here(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> int:
    """The command in this process, where parts of it can be replaced."""
    for name in ("TRUSTLOG_LOG", "TRUSTLOG_TRUST", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, shell.environment[name])
    return run(["evidence", "--ticket", TICKET, "--out", str(shell.directory / "here.json")])
