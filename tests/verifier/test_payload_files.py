"""The payload files of an exported log hold what their names say, whether an entry names them or not."""

from __future__ import annotations

import contextlib
import os
import socket as socketlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verifier.changebuilder import Change
from tests.verifier.logbuilder import add_payload
from tests.verifier.test_whole_log import Desk
from verifier.source import DirectorySource


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


def test_a_payload_that_was_hashed_with_its_entry_is_read_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    add_payload(desk.folder / "log", b"an artefact that no entry names")
    asked: list[str] = []
    original = DirectorySource.read

    def read(self: DirectorySource, path: str, max_bytes: int) -> bytes | None:
        asked.append(path)
        return original(self, path, max_bytes)

    monkeypatch.setattr(DirectorySource, "read", read)
    assert desk.log("--deep")[0] == 0
    payloads = sorted(path for path in asked if path.startswith("payloads/"))
    log = desk.folder / "log"
    assert payloads == sorted(str(path.relative_to(log)) for path in (log / "payloads").rglob("*") if path.is_file())


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


def socket(path: Path) -> None:
    with socketlib.socket(socketlib.AF_UNIX) as listener, contextlib.chdir(path.parent):  # its whole name may be too long
        listener.bind(path.name)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def own_memory(path: Path) -> None:
    path.symlink_to("/proc/self/mem")


@pytest.mark.parametrize("instead", [pipe, folder, loop, socket, device, own_memory])
@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000.p/17", "tile/entries/000.p/17", "payload"])
def test_what_is_no_file_is_undecided_and_holds_nobody(desk: Desk, name: str, instead: Callable[[Path], None]) -> None:
    path = next((desk.folder / "log/payloads/").glob("*/*")) if name == "payload" else desk.folder / "log" / name
    path.unlink()
    instead(path)
    code, report = desk.log("--deep")
    assert (code, report["reason_code"]) == (3, "LOG_UNREACHABLE")


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000.p/17", "tile/entries/000.p/17", "payload"])
def test_a_file_of_a_terabyte_is_undecided(desk: Desk, name: str) -> None:
    """It is sparse: nothing but a bound tells it from a file."""
    path = next((desk.folder / "log/payloads/").glob("*/*")) if name == "payload" else desk.folder / "log" / name
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    code, report = desk.log("--deep")
    assert (code, report["reason_code"]) == (3, "BODY_TOO_LARGE")


@pytest.mark.parametrize("place", ["payloads", "payloads/{}"])
def test_payloads_that_may_not_be_looked_at_are_not_missing(desk: Desk, place: str) -> None:
    folder = desk.folder / "log" / place.format(next((desk.folder / "log/payloads/").iterdir()).name)
    folder.rename(desk.folder / "elsewhere")
    folder.symlink_to(folder)
    code, report = desk.log("--deep")
    assert (code, report["reason_code"]) == (3, "LOG_UNREACHABLE")


def test_payloads_that_are_a_file_are_missing(desk: Desk) -> None:
    folder = desk.folder / "log/payloads"
    folder.rename(desk.folder / "elsewhere")
    folder.write_bytes(b"")
    code, report = desk.log("--deep")
    assert (code, report["reason_code"]) == (3, "PAYLOAD_MISSING")
