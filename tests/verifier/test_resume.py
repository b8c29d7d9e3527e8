"""An interrupted check of a whole log goes on where it was, and proves that the log still holds what was read."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.biglog import TRUST, entries_of_a_bundle, write_big_log
from tests.waiting import PATIENCE_S, wait_until
from verifier import entry, resume
from verifier.cli import main
from verifier.ed25519 import is_signature
from verifier.edge import RightEdge
from verifier.errors import Refused, Unusable
from verifier.resume import Progress, parse_progress
from verifier.source import DirectorySource

SIZE = 256 * 12 + 5
READ_BEFORE = "were read by an earlier run"


class Desk:
    """A log, a progress file, and the command."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.log, self.file, self.trust = folder / "log", folder / "progress", folder / "trust.toml"
        self._capsys = capsys
        self.trust.write_bytes(TRUST)

    def run(self, *arguments: str, resumed: bool = True) -> tuple[int, dict[str, Any]]:
        options = ["--resume", str(self.file)] if resumed else []
        code = main(["log", str(self.log), "--trust", str(self.trust), "--json", "--workers", "1", *options, *arguments])
        report: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return code, report

    def remembers(self) -> int:
        return parse_progress(self.file.read_bytes()).size


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, capsys)
    write_big_log(desk.log, SIZE)
    return desk


def interrupt(desk: Desk, monkeypatch: pytest.MonkeyPatch, *options: str, at: str = "tile/0/007") -> None:
    """Lets the reader be interrupted in the middle, by the keyboard."""
    path = desk.log / at
    data = path.read_bytes()
    original = DirectorySource.read

    def read(self: DirectorySource, name: str, most: int) -> bytes | None:
        if name == at:
            raise KeyboardInterrupt
        return original(self, name, most)

    monkeypatch.setattr(DirectorySource, "read", read)
    arguments = ["log", str(desk.log), "--trust", str(desk.trust), "--workers", "1", "--resume", str(desk.file), *options]
    monkeypatch.setattr("verifier.scan._BUNDLES", 1)
    monkeypatch.setattr("verifier.scan._DEEP_BUNDLES", 1)
    assert main(arguments) == 130
    monkeypatch.setattr(DirectorySource, "read", original)
    assert path.read_bytes() == data


@pytest.mark.parametrize("depth", ["--any-entries", "--entries"])
def test_an_interrupted_run_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch, depth: str) -> None:
    interrupt(desk, monkeypatch, depth)
    assert desk.remembers() == 256 * 7
    for number in range(7):  # what was read is not read again
        (desk.log / f"tile/entries/{number:03d}").unlink()
        (desk.log / f"tile/0/{number:03d}").unlink()
    code, report = desk.run(depth)
    assert code == 0, report["reason"]
    assert any(READ_BEFORE in (check["found"] or "") for check in report["checks"])
    assert any("1792 entries can still be read" in line for line in report["not_proven"])
    assert desk.remembers() == 256 * 12


LARGE = 256 * 260 + 5  # more than one full tile at level 1, so that there is one at level 2


@pytest.mark.parametrize(("at", "read"), [("tile/0/254", 254), ("tile/0/256", 256), ("tile/0/258", 258)])
def test_an_interrupted_run_goes_on_across_a_full_tile_of_tiles(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, at: str, read: int
) -> None:
    """Before, at and after the entry 65,536, where the row of the first level begins anew."""
    write_big_log(desk.log, LARGE)
    interrupt(desk, monkeypatch, at=at)
    progress = parse_progress(desk.file.read_bytes())
    assert progress.size == 256 * read
    assert [len(row) for row in progress.rows] == ([read] if read < 256 else [read - 256, 1])
    for number in range(read):
        (desk.log / f"tile/entries/{number:03d}").unlink()
        (desk.log / f"tile/0/{number:03d}").unlink()
    code, report = desk.run()
    assert code == 0, report["reason"]
    again = parse_progress(desk.file.read_bytes())
    assert (again.size, [len(row) for row in again.rows]) == (256 * 260, [4, 1])


@pytest.mark.parametrize("name", ["tile/1/000", "tile/1/001.p/4", "tile/2/000.p/1"])
def test_a_resumed_run_still_compares_the_tiles_above(desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write_big_log(desk.log, LARGE)
    interrupt(desk, monkeypatch, at="tile/0/254")
    path = desk.log / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    code, report = desk.run()
    assert (code, report["reason_code"]) == (1, "TILE_INVALID")
    assert name in report["reason"]


def test_a_finished_run_is_gone_on_from_when_the_log_has_grown(desk: Desk) -> None:
    assert desk.run()[0] == 0
    write_big_log(desk.log, SIZE + 2000)
    code, report = desk.run()
    assert code == 0, report["reason"]
    assert any(check["name"] == "log.resumed" and "3077 entries" in check["found"] for check in report["checks"])
    assert desk.remembers() == (SIZE + 2000) // 256 * 256


def test_a_log_that_no_longer_holds_what_was_read(desk: Desk) -> None:
    """What was read before is committed to by the edge: another history gives another root, whatever is served now."""
    write_big_log(desk.log, 256 * 8, last=b"another history")
    assert desk.run()[0] == 0
    write_big_log(desk.log, SIZE)
    code, report = desk.run()
    assert (code, report["reason_code"]) == (1, "ROOT_MISMATCH")
    assert not desk.file.exists(), "after a failure all is read again"
    assert desk.run()[0] == 0


def test_a_log_that_changed_above_what_was_read(desk: Desk) -> None:
    """The edge ends at a full bundle, but the checkpoint that was seen with it must be continued too."""
    write_big_log(desk.log, SIZE, last=b"another history")
    assert desk.run()[0] == 0
    write_big_log(desk.log, SIZE + 300)
    code, report = desk.run()
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")


def test_a_log_that_shrank(desk: Desk) -> None:
    assert desk.run()[0] == 0
    write_big_log(desk.log, SIZE - 3)
    code, report = desk.run()
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_STALE")


def test_an_earlier_checkpoint_below_what_was_read_is_proven_from_tiles(desk: Desk, tmp_path: Path) -> None:
    old, fork = tmp_path / "old", tmp_path / "fork"
    for folder, last in ((old, None), (fork, b"another history")):
        write_big_log(folder, 700, last=last)
    assert desk.run()[0] == 0
    code, report = desk.run("--since", str(old / "checkpoint"))
    assert code == 0, report["reason"]
    assert any(check["name"] == "log.continues" for check in report["checks"])
    code, report = desk.run("--since", str(fork / "checkpoint"))
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")


def test_a_fault_is_found_again(desk: Desk) -> None:
    write_big_log(desk.log, 256 * 9, last=b"no entry")
    for _ in range(2):
        code, report = desk.run("--entries")
        assert (code, report["reason_code"]) == (1, "ENTRY_MALFORMED")
        assert not desk.file.exists()


# --- deep


def test_a_deep_run_reads_all_again_but_checks_no_signature_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(desk, monkeypatch, "--deep")
    assert desk.remembers() == 256 * 7
    checked: list[bytes] = []

    def count(public_key: bytes, message: bytes, signature: bytes) -> bool:
        checked.append(signature)
        return is_signature(public_key, message, signature)

    monkeypatch.setattr(entry, "is_signature", count)
    code, report = desk.run("--deep")
    assert (code, report["reason_code"]) == (3, "PAYLOAD_MISSING")
    assert len(checked) == SIZE - 256 * 7
    assert any(f"altogether {SIZE} payloads" in (check["found"] or "") for check in report["checks"])
    assert desk.remembers() == 256 * 12


def test_a_deep_run_does_not_pass_over_entries_that_changed_meanwhile(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(desk, monkeypatch, "--deep")
    write_big_log(desk.log, SIZE + 300)
    rewrite(desk, lambda progress: Progress(progress.origin, "deep", progress.note, progress.size, other_rows(progress)))
    code, report = desk.run("--deep")
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")


def other_rows(progress: Progress) -> tuple[tuple[bytes, ...], ...]:
    return tuple(tuple(bytes(32) for _ in row) for row in progress.rows)


def test_a_bad_signature_is_found_by_every_run(desk: Desk) -> None:
    forged = bytearray(entries_of_a_bundle()[0])
    at = forged.index(b'"signature_b64u":"') + 20
    forged[at] = ord("A") if forged[at] != ord("A") else ord("B")
    write_big_log(desk.log, SIZE - SIZE % 256, last=bytes(forged))
    for _ in range(2):
        code, report = desk.run("--deep")
        assert (code, report["reason_code"]) == (1, "SIGNATURE_INVALID")


# --- the file


def rewrite(desk: Desk, change: Callable[[Progress], Progress]) -> None:
    desk.file.write_bytes(change(parse_progress(desk.file.read_bytes())).encode())


def test_progress_of_other_options_is_refused(desk: Desk) -> None:
    assert desk.run()[0] == 0
    before = desk.file.read_bytes()
    for options in (["--entries"], ["--deep"]):
        code, report = desk.run(*options)
        assert (code, report["reason_code"]) == (2, "PARAMETER_INVALID")
    assert desk.file.read_bytes() == before


def test_progress_of_another_log_is_refused(desk: Desk) -> None:
    assert desk.run()[0] == 0
    desk.trust.write_bytes(TRUST.replace(b"log.example/changes", b"log.example/another"))
    code, _ = desk.run()
    assert code == 2


def test_damaged_progress_is_refused_whatever_was_damaged(desk: Desk) -> None:
    assert desk.run()[0] == 0
    data = desk.file.read_bytes()
    for at in range(len(data)):
        with pytest.raises(Refused):
            parse_progress(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    for cut in (b"", data[:-1], data + b" ", data * 2):
        desk.file.write_bytes(cut)
        assert desk.run()[0] == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda p: Progress("other.example", p.depth, p.note, p.size, p.rows),
        lambda p: Progress(p.origin, p.depth, p.note, p.size + 256, p.rows),
        lambda p: Progress(p.origin, p.depth, p.note, p.size * 2, (p.rows[0] * 2,)),
        lambda p: Progress(p.origin, p.depth, b"no note", p.size, p.rows),
    ],
    ids=["origin", "size", "beyond its checkpoint", "checkpoint"],
)
def test_progress_that_contradicts_itself_is_refused(desk: Desk, change: Callable[[Progress], Progress]) -> None:
    assert desk.run()[0] == 0
    rewrite(desk, change)
    assert desk.run()[0] == 2


def test_progress_has_one_spelling() -> None:
    edge = RightEdge()
    for _ in range(300):
        list(edge.append(bytes(32)))
    data = Progress("o", "deep", b"note", edge.size, edge.rows).encode()
    assert parse_progress(data).encode() == data
    with pytest.raises(Refused):
        parse_progress(data.replace(b'"deep"', b'"dee\\u0070"'))


def test_a_run_that_is_killed_leaves_whole_progress(desk: Desk) -> None:
    """However it ends: the file is either absent or whole, and the next run finishes."""
    write_big_log(desk.log, 65_000)
    done = desk.file.with_name("done")
    program = f"""
import pathlib, time
from verifier import resume
from verifier.cli import main
resume.SAVE_EVERY_S = 0
main()
pathlib.Path({str(done)!r}).touch()
time.sleep(3600)
"""  # it ends by being killed: at its work, or after it where this machine is slow to notice
    arguments = ["log", str(desk.log), "--trust", str(desk.trust), "--resume", str(desk.file), "--workers", "1", "--entries"]
    for _ in range(4):
        before = desk.file.stat().st_mtime_ns if desk.file.exists() else 0
        process = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_S
        while (not desk.file.exists() or desk.file.stat().st_mtime_ns == before) and not done.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert desk.remembers() > 0
    assert desk.run("--entries")[0] == 0


def test_progress_that_cannot_be_written_is_an_error_not_a_verdict(desk: Desk) -> None:
    desk.file = desk.file / "no" / "folder"
    code, report = desk.run()
    assert (code, report["reason_code"]) == (2, "INPUT_UNREADABLE")


def test_a_failure_is_told_though_the_progress_file_cannot_be_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict on the log is what was asked for."""

    def full(name: str, _: bytes) -> None:
        raise Unusable("INPUT_UNREADABLE", name, found="No space left on device")

    monkeypatch.setattr(resume, "write_whole", full)
    assert desk.run()[0] == 2
    fork = desk.log.parent / "fork"
    write_big_log(fork, 700, last=b"another history")
    code, report = desk.run("--since", str(fork / "checkpoint"))
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")
    (desk.log / "tile/0/011").write_bytes(bytes(8192))
    code, report = desk.run()
    assert (code, report["reason_code"]) == (1, "TILE_INVALID")


def test_a_failure_is_told_though_the_progress_file_cannot_be_removed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(path, missing_ok)

    (desk.log / "tile/0/011").write_bytes(bytes(8192))
    monkeypatch.setattr(Path, "unlink", refuse)
    assert desk.run()[0] == 1


@pytest.mark.parametrize("depth", ["--any-entries", "--deep"])
def test_a_resumed_run_says_what_an_uninterrupted_one_says(desk: Desk, monkeypatch: pytest.MonkeyPatch, depth: str) -> None:
    """But for what it says of the earlier run."""
    whole = desk.run(depth, resumed=False)
    interrupt(desk, monkeypatch, depth)
    code, report = desk.run(depth)
    assert desk.remembers() == 256 * 12
    report["checks"] = [check for check in report["checks"] if check["name"] != "log.resumed"]
    report["not_proven"] = [line for line in report["not_proven"] if "an earlier run" not in line]
    assert (code, without_counts(report)) == (whole[0], without_counts(whole[1]))


def without_counts(report: dict[str, Any]) -> dict[str, Any]:
    """How many tiles and entries this run itself has looked at is its own."""
    for check in report["checks"]:
        if check["name"] in ("log.tiles", "evidence.grammar"):
            check["found"] = None
    return report


def test_an_interrupt_leaves_progress_that_is_gone_on_from(desk: Desk) -> None:
    write_big_log(desk.log, 65_000)
    program = """
import signal, sys, time
from verifier import resume
from verifier.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore interrupts
resume.SAVE_EVERY_S, save = 0, resume.ProgressFile.save
pauses = iter([3600])  # however slow this machine is, the interrupt comes before the end
resume.ProgressFile.save = lambda self, progress: (save(self, progress), time.sleep(next(pauses, 0)))
sys.exit(main())
"""
    arguments = ["log", str(desk.log), "--trust", str(desk.trust), "--resume", str(desk.file), "--workers", "1", "--deep"]
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE)
    assert wait_until(lambda: desk.file.exists() or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert said.startswith(b"error: interrupted")
    assert 0 < desk.remembers() < 65_000
    assert [path.name for path in desk.file.parent.iterdir() if ".new" in path.name] == []
    code, report = desk.run("--deep")
    assert (code, report["reason_code"]) == (3, "PAYLOAD_MISSING")


def test_it_is_saved_only_every_few_seconds(tmp_path: Path) -> None:
    file = resume.ProgressFile(str(tmp_path / "progress"))
    assert not file.is_due()
