"""What is withheld hides no fork: trees are compared before any payload decides."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.verifier.changebuilder import Change, trust_toml
from tests.verifier.test_http import Server, send
from tests.verifier.test_whole_log import Desk, names
from verifier.cli import main
from verifier.encodings import encode_b64u

AT = "2026-03-01T10:20:00Z"
Spoil = Callable[[Path], None]


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def other_history() -> Change:
    """The same log's key signs another tree, as long as the pack's or longer."""
    return Change(run="run-9").build()


def files(log: Path) -> list[Path]:
    return sorted(path for path in (log / "payloads").rglob("*") if path.is_file())


def leave_out(log: Path) -> None:
    shutil.rmtree(log / "payloads")


def swap(log: Path) -> None:
    for path in files(log):
        path.write_bytes(b"something else")


def swell(log: Path) -> None:
    for path in files(log):
        with path.open("r+b") as file:
            file.truncate((8 << 20) + 1)


SPOILS = [leave_out, swap, swell]


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_log_that_forked_from_the_pack_fails_whatever_its_payloads_are(desk: Desk, spoil: Spoil) -> None:
    log = desk.export(other_history().log)
    spoil(Path(log))
    code, report = desk.judge(Change().build(), "--log", log)
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")
    assert names(report, "FAIL") == ["log.whole_log"]


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_log_that_forked_from_what_was_remembered_fails_whatever_its_payloads_are(desk: Desk, spoil: Spoil) -> None:
    change = Change().build()
    log = desk.export(change.log)
    spoil(Path(log))
    state = desk.write("state", other_history().log.note())
    code, report = desk.judge(change, "--log", log, "--state", state)
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")


@pytest.mark.parametrize("spoil", [leave_out, swell])
def test_a_deep_check_finds_the_fork_before_what_is_withheld(desk: Desk, spoil: Spoil) -> None:
    spoil(Path(desk.export(Change().build().log)))
    since = desk.write("since", other_history().log.note())
    assert desk.log("--deep")[0] == 3
    code, report = desk.log("--deep", "--since", since)
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")


def test_a_server_that_refuses_payloads_hides_no_fork(desk: Desk) -> None:
    forked = other_history().log
    server = Server(Path(desk.export(forked)))
    try:
        for file in files(server.folder):
            server.overrides[address(file)] = send(500, b"")
        code, report = desk.judge(Change().build(), "--log", server.url)
    finally:
        server.close()
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")


def address(file: Path) -> str:
    return f"v1/payloads/{encode_b64u(bytes.fromhex(file.name))}"


@pytest.mark.parametrize(("spoil", "code"), [(leave_out, "PAYLOAD_MISSING"), (swell, "BODY_TOO_LARGE")])
def test_the_log_of_the_pack_without_its_payloads_is_undecided(desk: Desk, spoil: Spoil, code: str) -> None:
    change = Change().build()
    log = desk.export(change.log)
    spoil(Path(log))
    exit_code, report = desk.judge(change, "--log", log)
    assert (exit_code, report["reason_code"]) == (3, code)
    assert names(report, "PROVEN") == []


def test_a_gates_word_does_not_stand_in_for_a_log_whose_payloads_are_withheld(desk: Desk) -> None:
    desk.trust(trust_toml(absence="gate"))
    change = Change().build()
    log = desk.export(change.log)
    leave_out(Path(log))
    code, report = desk.judge(change, "--log", log)
    assert (code, report["reason_code"]) == (3, "PAYLOAD_MISSING")


def test_a_pack_that_breaks_a_rule_fails_though_the_log_withholds_its_payloads(desk: Desk) -> None:
    change = Change(skip={"approve_execute_2"}).build()
    log = desk.export(change.log)
    leave_out(Path(log))
    code, report = desk.judge(change, "--log", log)
    assert (code, report["reason_code"]) == (1, "APPROVALS_INSUFFICIENT")


def test_a_payload_that_lies_fails_though_the_tree_is_withheld_after_it(desk: Desk) -> None:
    change = Change().build()
    server = Server(Path(desk.export(change.log)))
    swap(server.folder)
    tile = next(path for path in (server.folder / "tile/0").rglob("*") if path.is_file())
    once = iter([send(200, tile.read_bytes())])

    def answer(handler: BaseHTTPRequestHandler) -> None:
        next(once, send(404, b""))(handler)

    server.overrides[tile.relative_to(server.folder).as_posix()] = answer
    try:
        code, report = desk.judge(change, "--log", server.url)
    finally:
        server.close()
    assert (code, report["reason_code"]) == (1, "HASH_MISMATCH")


def test_of_a_folder_only_the_packs_of_the_other_tree_fail(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    change = Change().build()
    log = desk.export(change.log)
    leave_out(Path(log))
    packs = desk.folder / "packs"
    packs.mkdir()
    (packs / "a.evidence.json").write_bytes(change.pack_bytes())
    (packs / "b.evidence.json").write_bytes(other_history().pack_bytes())
    assert main(["evidence", str(packs), "--trust", desk.path("trust.toml"), "--at", AT, "--log", log, "--json"]) == 1
    *rows, _ = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [row["reason_code"] for row in rows] == ["PAYLOAD_MISSING", "CHECKPOINT_INCONSISTENT"]
