"""A folder of packs: one line a pack, the log read once, and the exit code of the worst verdict."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.changebuilder import Change, default_policy, trust_toml
from tests.verifier.logbuilder import LogBuilder, add_payload
from verifier import source
from verifier.cli import main
from verifier.many_packs import Row, Table
from verifier.progress import draw_bar
from verifier.report import Report, Status

AT = "2026-03-02"


def good() -> bytes:
    return Change().build().pack_bytes()


def lying() -> bytes:
    return Change(skip={"approve_execute_2"}).build().pack_bytes()


def unclosed() -> bytes:
    return Change(skip={"bundle", "approve_close_1", "approve_close_2", "decide_close", "closure"}).build().pack_bytes()


def fill(folder: Path, **packs: bytes) -> list[str]:
    place = folder / "packs"
    place.mkdir()
    for name, data in packs.items():
        (place / f"{name}.evidence.json").write_bytes(data)
    (folder / "trust.toml").write_bytes(trust_toml())
    return ["evidence", str(place), "--trust", str(folder / "trust.toml"), "--at", AT]


def judge(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    code = main([*arguments, "--json"])
    *rows, last = (json.loads(line) for line in capsys.readouterr().out.strip().split("\n"))
    return code, rows, last["summary"]


@pytest.mark.parametrize("beside_the_log", [False, True])
def test_a_pipe_among_the_packs_is_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, beside_the_log: bool
) -> None:
    """Whoever made the folder could make the auditor wait for ever."""
    change = Change().build()
    arguments = fill(tmp_path, a=change.pack_bytes())
    os.mkfifo(tmp_path / "packs" / "b.evidence.json")
    (tmp_path / "packs" / "c.evidence.json").symlink_to(tmp_path / "nowhere")
    change.log.export(tmp_path / "log")
    code, rows, _ = judge([*arguments, *(["--log", str(tmp_path / "log")] if beside_the_log else [])], capsys)
    assert code == 2
    assert [(row["status"], row["reason_code"]) for row in rows] == [("PASS", "OK"), *[("ERROR", "INPUT_UNREADABLE")] * 2]


@pytest.mark.parametrize(
    ("packs", "code"),
    [
        ({"a": good}, 0),
        ({"a": good, "b": unclosed}, 3),
        ({"a": good, "b": unclosed, "c": lambda: b"{}"}, 2),
        ({"a": good, "b": unclosed, "c": lambda: b"{}", "d": lying}, 1),
        ({"a": lying, "b": good}, 1),
    ],
)
def test_the_exit_code_is_that_of_the_worst_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], packs: dict[str, Any], code: int
) -> None:
    arguments = fill(tmp_path, **{name: make() for name, make in packs.items()})
    found, rows, summary = judge(arguments, capsys)
    assert (found, summary["exit_code"], summary["packs"]) == (code, code, len(packs))
    assert [row["file"] for row in rows] == [f"{name}.evidence.json" for name in sorted(packs)]
    assert sum(summary[status] for status in ("PASS", "FAIL", "ERROR", "UNDECIDED")) == len(packs)


@pytest.mark.parametrize(
    "statuses",
    [
        [s, t]
        for s in (Status.FAIL, Status.ERROR, Status.UNDECIDED, Status.PASS)
        for t in (Status.FAIL, Status.ERROR, Status.UNDECIDED, Status.PASS)
    ],
)
def test_the_exit_code_does_not_depend_on_the_order(statuses: list[Status]) -> None:
    rows = tuple(Row("f", None, Report(status, "OK", "", (), (), None)) for status in statuses)
    assert Table(rows).exit_code == Table(rows[::-1]).exit_code
    assert (Table(rows).exit_code == 0) == (set(statuses) == {Status.PASS})


def test_each_row_is_the_verdict_on_that_pack_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = fill(tmp_path, a=good(), b=lying(), c=b"nonsense")
    _, rows, _ = judge(arguments, capsys)
    for row in rows:
        alone = [*arguments, "--json"]
        alone[1] = f"{arguments[1]}/{row['file']}"
        main(alone)
        verdict = json.loads(capsys.readouterr().out)
        assert {name: row[name] for name in verdict} == verdict
    assert [row["ticket"] for row in rows] == ["jira.example:CHG-7", "jira.example:CHG-7", None]


def test_people_get_a_table_and_what_is_not_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(fill(tmp_path, a=good(), b=lying(), c=b"{}")) == 1
    text = capsys.readouterr().out
    assert text.startswith("3 packs: 1 FAIL, 1 ERROR, 1 PASS\n")
    assert re.search(r"^PASS +OK +jira\.example:CHG-7 +a\.evidence\.json$", text, re.MULTILINE)
    assert re.search(r"^FAIL +APPROVALS_INSUFFICIENT +jira\.example:CHG-7 +b\.evidence\.json$", text, re.MULTILINE)
    assert re.search(r"^ERROR +PACK_MALFORMED +- +c\.evidence\.json$", text, re.MULTILINE)
    assert "that two keys are not in one hand" in text
    assert "absences: of 2 packs they rest on a gate's word" in text


def test_what_is_open_of_one_pack_alone_is_not_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its own verdict says that nobody showed which hosts were reached; the table says where to look."""
    hosts = Change(policy=default_policy() | {"egress": {"hosts": ["db.example"]}}).build().pack_bytes()
    arguments = fill(tmp_path, a=good(), b=hosts, c=good())
    assert main(arguments) == 0
    assert "something else: of 1 pack; each verdict alone names it" in capsys.readouterr().out
    (tmp_path / "packs" / "b.evidence.json").unlink()
    assert main(arguments) == 0
    assert "something else" not in capsys.readouterr().out


def test_the_log_is_read_once_for_all_packs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogBuilder("log.example/changes")
    first = Change(log=log).build()
    early = first.pack_bytes()  # under an earlier checkpoint than the other
    plan = {**first.plan, "ticket": "jira.example:CHG-2"}
    second = Change(log=log, ticket="jira.example:CHG-2", job="job-2", run="run-2", clock=100, plan=plan)
    late = second.build().pack_bytes()
    log.export(tmp_path / "log")
    for change in (first, second):
        add_payload(tmp_path / "log", change.plan_bytes)
    arguments = fill(tmp_path, a=early, b=late)
    reads: list[str] = []
    read = source.DirectorySource.read

    def counted(self: source.DirectorySource, path: str, max_bytes: int) -> bytes | None:
        reads.append(path)
        return read(self, path, max_bytes)

    monkeypatch.setattr(source.DirectorySource, "read", counted)
    (tmp_path / "trust.toml").write_bytes(trust_toml(absence="log"))
    code, rows, _ = judge([*arguments, "--log", str(tmp_path / "log")], capsys)
    assert reads.count("checkpoint") == 1
    assert sum(path.startswith("tile/entries") for path in reads) == 1
    assert [(row["status"], row["reason_code"]) for row in rows] == [("PASS", "OK"), ("PASS", "OK")]
    assert code == 0
    statuses = {check["status"] for row in rows for check in row["checks"]}
    assert "PROVEN" in statuses
    assert "ATTESTED" not in statuses
    for row in rows:
        alone = [*arguments, "--json", "--log", str(tmp_path / "log")]
        alone[1] = f"{arguments[1]}/{row['file']}"
        assert main(alone) == 0
        verdict = json.loads(capsys.readouterr().out)
        assert verdict["reason_code"] == row["reason_code"]


def test_a_log_that_cannot_be_read_leaves_each_pack_undecided_save_what_fails_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = fill(tmp_path, a=good(), b=lying())
    (tmp_path / "log").mkdir()
    assert main([*arguments, "--log", str(tmp_path / "log"), "--json"]) == 1
    *rows, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["status"], row["reason_code"]) for row in rows] == [
        ("UNDECIDED", "LOG_UNREACHABLE"),
        ("FAIL", "APPROVALS_INSUFFICIENT"),
    ]
    assert all(any(check["name"] == "log.read" for check in row["checks"]) for row in rows)
    assert last["summary"]["exit_code"] == 1


def test_what_concerns_one_pack_is_refused_for_a_folder(tmp_path: Path) -> None:
    arguments = [*fill(tmp_path, a=good()), "--report", str(tmp_path / "out.html")]
    assert main([*arguments, "--explain"]) == 2
    assert not (tmp_path / "out.html").exists()


def test_a_folder_without_packs_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(fill(tmp_path)) == 2
    assert "*.evidence.json" in capsys.readouterr().err


def test_a_hostile_file_name_cannot_move_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = fill(tmp_path, **{"a\x1b[2J\u202e": good()})
    for form in ([], ["--json"]):
        assert main([*arguments, *form]) == 0
        text = capsys.readouterr().out
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_progress_is_a_bar() -> None:
    assert draw_bar(1, 4, "packs") == "[######..................] 1 of 4 packs (25 %)"
    assert draw_bar(4, 4, "packs").startswith("[########################] ")
