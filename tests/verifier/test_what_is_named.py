"""Files and options: what is refused before anything is judged, what is never replaced, and what a verdict says it judged."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from tests.verifier.changebuilder import Change, trust_toml
from verifier.arguments import build_parser
from verifier.cli import main
from verifier.errors import Unusable
from verifier.files import check_writable, write_whole

AT_EXPECTED = "expected an RFC 3339 time (2026-06-01T12:00:00Z) or a date (2026-06-01)"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """Arguments that judge a pack that passes."""
    (tmp_path / "pack.json").write_bytes(Change().build().pack_bytes())
    (tmp_path / "trust.toml").write_bytes(trust_toml())
    return ["evidence", str(tmp_path / "pack.json"), "--trust", str(tmp_path / "trust.toml"), "--at", "2026-03-02"]


def error_of(capsys: Captured, arguments: list[str]) -> str:
    """What standard error says of a refused command, in its `error:` line."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    error, hint = err.splitlines()
    assert (error[:7], hint[:6]) == ("error: ", "hint: ")
    return error[7:]


@pytest.fixture
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for the names of temporary folders, however long."""
    monkeypatch.setenv("COLUMNS", "300")


@pytest.mark.usefixtures("_wide")
def test_a_verdict_names_what_it_judged_by_its_hash_and_when(tmp_path: Path, given: list[str], capsys: Captured) -> None:
    assert main(given) == 0
    said = capsys.readouterr().out.splitlines()
    pack, trust = (hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("pack.json", "trust.toml"))
    assert said[-5:] == [
        "judged at 2026-03-02T00:00:00Z, by SHA-256",
        f"  {given[1]}",
        f"    {pack}",
        f"  {given[3]}",
        f"    {trust}",
    ]


def test_a_page_names_what_it_judged_by_its_hash(tmp_path: Path, given: list[str]) -> None:
    assert main([*given, "--report", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for name in ("pack.json", "trust.toml"):
        assert f"SHA-256 {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}" in page


@pytest.mark.usefixtures("_wide")
def test_a_table_of_packs_names_the_trust_policy_and_begins_with_the_verdict(
    tmp_path: Path, given: list[str], capsys: Captured
) -> None:
    long_name = "a-very-long-name-" * 6 + ".evidence.json"
    (tmp_path / long_name).write_bytes((tmp_path / "pack.json").read_bytes())
    assert main(["evidence", str(tmp_path), *given[2:]]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "1 pack: 1 PASS"
    assert said[3].split() == ["PASS", "OK", "jira.example:CHG-7", long_name]
    assert said[-3:] == ["judged at 2026-03-02T00:00:00Z, by SHA-256", f"  {given[3]}", f"    {sha_of(given[3])}"]


def sha_of(name: str) -> str:
    return hashlib.sha256(Path(name).read_bytes()).hexdigest()


def test_what_is_no_file_is_never_replaced(tmp_path: Path, given: list[str], capsys: Captured) -> None:
    (tmp_path / "real.html").write_text("kept", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "real.html")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "dangling", "folder", "pipe"):
        for force in ([], ["--force"]):
            said = error_of(capsys, [*given, "--report", str(tmp_path / name), *force])
            assert said.endswith("expected a file, not a folder, device, pipe or link")
    assert stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real.html").read_text(encoding="utf-8") == "kept"
    assert not (tmp_path / "nowhere").exists()


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(Unusable, match="PARAMETER_INVALID"):
        check_writable(os.devnull, force=True)


def test_a_file_is_replaced_only_by_force_and_leaves_nothing_beside_it(
    tmp_path: Path, given: list[str], capsys: Captured
) -> None:
    page = tmp_path / "page.html"
    page.write_text("kept", encoding="utf-8")
    said = error_of(capsys, [*given, "--report", str(page)])
    assert said.endswith("expected a name that is free, or --force")
    assert page.read_text(encoding="utf-8") == "kept"
    before = set(tmp_path.iterdir())
    assert main([*given, "--report", str(page), "--force"]) == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("at", [1, 3])
def test_what_is_judged_is_not_replaced_by_the_verdict(given: list[str], capsys: Captured, at: int) -> None:
    before = Path(given[at]).read_bytes()
    said = error_of(capsys, [*given, "--report", given[at], "--force"])
    assert said.endswith("expected a file that is not read by this command")
    assert Path(given[at]).read_bytes() == before


@pytest.mark.parametrize("name", ["", "no-such-folder/page.html", "trust.toml/page.html"])
def test_a_place_that_takes_no_file_is_refused_before_judging(
    tmp_path: Path, given: list[str], capsys: Captured, name: str
) -> None:
    said = error_of(capsys, [*given, "--report", str(tmp_path / name) if name else ""])
    assert said.endswith("expected a file in a folder that you may write to")


def test_a_file_that_cannot_be_filled_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.html"
    page.write_text("kept", encoding="utf-8")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unusable, match="INPUT_UNREADABLE") as refused:
        write_whole(str(page), b"new")
    assert refused.value.found == "No space left on device"
    assert list(tmp_path.iterdir()) == [page]
    assert page.read_text(encoding="utf-8") == "kept"


def full(_: int) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--max-age", "-5"], "argument --max-age: expected a whole number from 0, found '-5'"),
        (["--max-age", "1.5"], "argument --max-age: expected a whole number from 0, found '1.5'"),
        (["--max-age", "٣"], "argument --max-age: expected a whole number from 0, found '٣'"),
        (["--max-age", "9" * 16], f"argument --max-age: expected a whole number from 0, found '{'9' * 16}'"),
        (["--explain-entry", "-1"], "argument --explain-entry: expected a whole number from 0, found '-1'"),
        (["--explain-entry", "99"], "PARAMETER_INVALID: --explain-entry, expected the index of an entry in the pack"),
        (["--state", "kept"], "PARAMETER_INVALID: --state, expected --log with it: only a log's checkpoint is remembered"),
        (["--expl"], "unrecognized arguments: --expl"),
        (
            ["--at", "2026-03-01T10:00:00"],
            f"PARAMETER_INVALID: --at, {AT_EXPECTED}, found 2026-03-01T10:00:00",
        ),
    ],
)
def test_an_option_is_refused_with_what_was_expected_and_found(
    given: list[str], capsys: Captured, more: list[str], said: str
) -> None:
    assert error_of(capsys, [*given, *more]) == said


@pytest.mark.parametrize(
    ("trust", "said"),
    [
        (b"", "log.policy, expected a string"),
        (b"\xff", "file, expected UTF-8"),
        (b"\xef\xbb\xbf" + trust_toml(), "file, expected no byte order mark before it"),
        (b"unknown = 1\n" + trust_toml(), "file, expected known keys only, found unknown"),
    ],
)
def test_a_trust_policy_that_cannot_be_used_is_named(given: list[str], capsys: Captured, trust: bytes, said: str) -> None:
    Path(given[3]).write_bytes(trust)
    assert error_of(capsys, given) == f"TRUST_POLICY_INVALID: {given[3]}: {said}"


@pytest.mark.parametrize("data", [b"", b"{", b"\xef\xbb\xbf{}", b'{"a":1e999}', b"[]"])
def test_of_a_pack_that_is_none_it_is_said_what_was_found(given: list[str], capsys: Captured, data: bytes) -> None:
    Path(given[1]).write_bytes(data)
    said = error_of(capsys, given)
    assert said.startswith("PACK_MALFORMED: ")
    assert "None" not in said


@pytest.mark.parametrize("command", ["evidence", "proof", "log"])
def test_what_the_system_will_not_open_is_unreadable_and_no_defect(
    tmp_path: Path, given: list[str], capsys: Captured, command: str
) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    entry = ["--entry", given[1]] if command == "proof" else []
    said = error_of(capsys, [command, str(loop / "deeper"), *entry, *given[2:4]])
    assert said.startswith(f"INPUT_UNREADABLE: {loop / 'deeper'}, ")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("approvals_insufficient", None),
        ("APPROVALS_INSUFICIENT", "did you mean APPROVALS_INSUFFICIENT"),
        ("QUORUM", "did you mean QUORUM_NOT_MET?"),
        ("xyz", "explain without a code lists them all"),
    ],
)
def test_explain_knows_what_was_meant(capsys: Captured, code: str, said: str | None) -> None:
    assert main(["explain", code]) == (0 if said is None else 2)
    out, err = capsys.readouterr()
    if said is None:
        assert out.startswith("APPROVALS_INSUFFICIENT: ")
    else:
        assert f"hint: {said}" in err


def test_each_argument_of_each_command_is_described(capsys: Captured) -> None:
    build_parser()
    for command in ("evidence", "proof", "consistency", "log", "explain"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        described = capsys.readouterr().out.partition("positional arguments:\n")[2].partition("\n\n")[0]
        assert all(len(line.split("  ", 2)[-1].strip()) > 0 for line in described.splitlines()), command
        assert len(described.split()) > 4, command


def test_a_failing_check_is_named_with_its_entry_and_not_as_if_it_were_found_there(
    tmp_path: Path, given: list[str], capsys: Captured
) -> None:
    change = Change(edit={"closure": lambda payload: payload.update(closing_reason="another")}).build()
    (tmp_path / "pack.json").write_bytes(change.pack_bytes())
    assert main([*given, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["reason"].startswith("execution.closure of entry 16; expected closing_reason: done, bundle:")
    assert report["reason"].endswith("; found another")


@pytest.mark.parametrize(("damaged", "name"), [(0, "OLD"), (1, "NEW")])
def test_which_of_two_checkpoints_is_damaged_is_said(
    tmp_path: Path, given: list[str], capsys: Captured, damaged: int, name: str
) -> None:
    notes = [tmp_path / "old", tmp_path / "new"]
    for note in notes:
        note.write_text(Change().build().log.note(), encoding="utf-8")
    notes[damaged].write_bytes(b"\xff")
    assert main(["consistency", *map(str, notes), "--log", str(tmp_path), *given[2:4]]) == 1
    assert f"log.consistency; expected {name}: note: UTF-8; found something else\n" in capsys.readouterr().out
