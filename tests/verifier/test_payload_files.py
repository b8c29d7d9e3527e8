"""The payload files of an exported log hold what their names say, whether an entry names them or not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.verifier.changebuilder import Change
from tests.verifier.logbuilder import add_payload
from tests.verifier.test_whole_log import Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, capsys)
    desk.export(Change().build().log)
    return desk


def test_every_file_is_hashed(desk: Desk) -> None:
    add_payload(desk.folder / "log", b"an artefact that no entry names")
    code, report = desk.log("--deep")
    assert code == 0, report["reason"]
    files = sum(path.is_file() for path in (desk.folder / "log/payloads").rglob("*"))
    assert any(check["found"] == f"{files} payload files hold what their names say" for check in report["checks"])


def test_a_swapped_artefact_is_found_though_no_entry_names_it(desk: Desk) -> None:
    add_payload(desk.folder / "log", b"an artefact")
    path = max((desk.folder / "log/payloads").rglob("*"), key=lambda path: path.stat().st_mtime_ns if path.is_file() else 0)
    path.write_bytes(b"another")
    assert desk.log("--entries")[0] == 0
    code, report = desk.log("--deep")
    assert (code, report["reason_code"]) == (1, "HASH_MISMATCH")
    assert path.name in report["reason"]


@pytest.mark.parametrize("name", ["payloads/README", "payloads/ab/README", "payloads/zz/x", f"payloads/00/{'ff' * 32}"])
def test_a_file_that_is_named_by_no_hash_proves_nothing_and_is_told(desk: Desk, name: str) -> None:
    path = desk.folder / "log" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"notes")
    code, report = desk.log("--deep")
    assert code == 0
    assert any("1 files under payloads/" in line for line in report["not_proven"])


def test_a_payload_larger_than_any_may_be_is_undecided(desk: Desk) -> None:
    path = desk.folder / "log/payloads/ab" / ("ab" * 32)
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.truncate((8 << 20) + 1)
    code, report = desk.log("--deep")
    assert (code, report["reason_code"]) == (3, "BODY_TOO_LARGE")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("instead", [pipe, folder, loop], ids=["pipe", "folder", "loop"])
@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000.p/17", "tile/entries/000.p/17"])
def test_what_is_no_file_is_undecided_and_holds_nobody(desk: Desk, name: str, instead: object) -> None:
    path = desk.folder / "log" / name
    path.unlink()
    assert callable(instead)
    instead(path)
    code, report = desk.log()
    assert (code, report["reason_code"]) == (3, "LOG_UNREACHABLE")
