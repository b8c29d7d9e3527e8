"""The checkpoint that an auditor remembers: read before the work, replaced whole, and never the reason of a verdict it is not."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verifier.changebuilder import trust_toml
from tests.verifier.test_whole_log import Desk, big_log, witnessed
from tests.waiting import PATIENCE_S
from verifier import remembered
from verifier.errors import Unusable
from verifier.remembered import read_state, write_state
from verifier.trust import parse_trust_policy
from verifier.trustedcheckpoint import open_checkpoint

TRUST = parse_trust_policy(trust_toml())
LOG = big_log(64)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, capsys)
    desk.export(LOG)
    return desk


def size_in(path: Path) -> int:
    return open_checkpoint(path.read_bytes(), TRUST).checkpoint.size


TORN = {
    "empty": b"",
    "torn": LOG.note(9).encode()[:40],
    "torn signature": LOG.note(9).encode()[:-9],
    "no text": b"\xff" * 40,
    "zeros": bytes(200),
    "of an unknown key": LOG.note(9).replace("log.example", "log.exemple").encode(),
}


@pytest.mark.parametrize("option", ["--state", "--since"])
@pytest.mark.parametrize("data", TORN.values(), ids=list(TORN))
def test_what_is_no_checkpoint_of_the_log_is_unusable_and_stays(desk: Desk, option: str, data: bytes) -> None:
    """It is the auditor's own file that is broken: nothing follows about the log, and the log must not pass either."""
    kept = Path(desk.write("kept", data))
    code, report = desk.log(option, str(kept))
    assert (code, report["reason_code"]) == (2, "INPUT_UNREADABLE")
    assert "checkpoint of a pinned log" in report["reason"]
    assert kept.read_bytes() == data


def test_a_checkpoint_without_the_quorum_of_today_still_binds_the_log(desk: Desk) -> None:
    """Whoever cosigned it: the log has signed it."""
    trust, cosigners = witnessed(1_772_000_000, 1_772_000_001)
    desk.trust(trust)
    desk.export(LOG, note=LOG.note(cosigners=cosigners))
    fork = big_log(64)
    fork.items[3] = big_log(65).items[64]
    assert desk.log("--since", desk.write("old", LOG.note(20)))[0] == 0
    code, report = desk.log("--since", desk.write("old", fork.note(20)))
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path)


def null(path: Path) -> None:
    path.symlink_to("/dev/null")


@pytest.mark.parametrize("option", ["--state", "--resume"])
@pytest.mark.parametrize("make", [os.mkfifo, folder, loop, null], ids=["pipe", "folder", "loop", "device"])
def test_what_is_no_file_is_refused_at_once(desk: Desk, tmp_path: Path, option: str, make: Callable[[Path], None]) -> None:
    kept = tmp_path / "kept"
    make(kept)
    assert desk.log(option, str(kept))[0] == 2
    assert kept.is_fifo() or kept.is_dir() or kept.is_symlink(), "it is still there"


@pytest.mark.parametrize("option", ["--state", "--resume"])
@pytest.mark.parametrize("name", ["no/such/folder", "x" * 5000, "a\0b"], ids=["folder", "long", "nul"])
def test_a_place_that_takes_no_file_is_refused_before_the_log_is_read(
    desk: Desk, tmp_path: Path, option: str, name: str
) -> None:
    (tmp_path / "log/checkpoint").unlink()  # or the log would be found missing first
    code, report = desk.log(option, str(tmp_path / name))
    assert (code, report["reason_code"]) == (2, "INPUT_UNREADABLE")


def test_what_is_given_and_what_is_remembered_are_both_demanded(desk: Desk, tmp_path: Path) -> None:
    """A log that continues what is given, but not what was seen, has forked, and its checkpoint is not remembered."""
    fork = big_log(64)
    fork.items[40] = big_log(65).items[64]
    state = desk.write("state", fork.note(50))
    since = desk.write("since", LOG.note(9))
    code, report = desk.log("--since", since, "--state", state)
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")
    assert size_in(tmp_path / "state") == 50
    assert desk.log("--since", since)[0] == 0


def test_a_full_disk_leaves_what_was_remembered(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = desk.write("state", LOG.note(9))
    before = sorted(tmp_path.iterdir())

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    code, report = desk.log("--state", state)
    assert (code, report["reason_code"]) == (2, "INPUT_UNREADABLE")
    assert "No space left" in report["reason"]
    assert size_in(tmp_path / "state") == 9
    assert sorted(tmp_path.iterdir()) == before, "nothing is left beside it"


def test_of_many_at_once_the_newest_is_remembered_and_always_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_LOCK_S", PATIENCE_S)  # a disk may be slow
    state = tmp_path / "state"
    notes = [LOG.note(size).encode() for size in range(1, 65)]
    write_state(str(state), notes[0], TRUST)
    failures: list[BaseException] = []

    def remember(first: int) -> None:
        try:
            for note in notes[first::8]:
                write_state(str(state), note, TRUST)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told below
            failures.append(error)

    threads = [threading.Thread(target=remember, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    seen = [size_in(state) for _ in range(200)]
    for thread in threads:
        thread.join()
    assert not failures
    assert seen == sorted(seen), "it never goes back"
    assert size_in(state) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_one_who_never_lets_go_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_LOCK_S", 0.1)
    state = str(tmp_path / "state")
    with remembered._alone(tmp_path), pytest.raises(Unusable, match="INPUT_UNREADABLE"):
        write_state(state, LOG.note().encode(), TRUST)
    assert read_state(state, TRUST) is None
    write_state(state, LOG.note().encode(), TRUST)
    assert size_in(tmp_path / "state") == 64
