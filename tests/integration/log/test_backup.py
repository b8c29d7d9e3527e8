"""A backup is one moment of a log, whole and checked; a log restored from it signs nothing but what continues what is known."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.log.actors import make_log_directory, receipt
from tests.integration.log.conftest import Service, serving
from tests.integration.log.damage import change_entry, change_payload, drop_entries, execute
from tests.integration.log.test_service import check_result, fill, open_checkpoint
from tests.integration.log.test_start import check_read_only, grow
from tests.waiting import PATIENCE_S
from trustlog.errors import Refused, TrustlogError
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.note import NoteSigner, parse_note, sign_note
from trustlog.log.backup import backup
from trustlog.log.directory import LogDirectory
from trustlog.log.proving import Prover
from trustlog.log.restore import restore
from trustlog.storage.log_reader import LogReader


def restored_of(directory: LogDirectory) -> LogDirectory:
    return LogDirectory(directory.path.with_name("restored"))


def make_backup(directory: LogDirectory, name: str = "backup", *, with_key: bool = True) -> LogDirectory:
    backup(directory, directory.path.with_name(name), with_key=with_key)
    return LogDirectory(directory.path.with_name(name))


def names(path: Path) -> set[str]:
    return {found.name for found in path.iterdir()}


def root_at(directory: LogDirectory, size: int) -> bytes:
    reader = LogReader(directory.log_path)
    try:
        return Prover(reader, reader.size()).root(size)
    finally:
        reader.close()


# Backing up.


async def test_a_backup_taken_while_the_log_is_written_is_one_moment_of_it(service: Service, tmp_path: Path) -> None:
    enough = asyncio.Event()

    async def keep_writing() -> None:
        written = 0
        while not enough.is_set():
            await fill(service, 300, f"batch-{written}")
            written += 1

    await fill(service, 600)
    writing = asyncio.create_task(keep_writing())
    sizes: list[int] = []
    for number in range(4):
        made = await service.log.read(backup, service.log.directory, tmp_path / f"backup-{number}")
        assert made.log.newest.size <= made.log.size
        sizes.append(made.log.size)
        async with asyncio.timeout(PATIENCE_S):
            while service.log.published.size <= made.log.size:  # the next backup is of a later moment
                assert not writing.done()
                await asyncio.sleep(0.01)
    enough.set()
    await writing
    assert sizes[0] >= 600
    assert sizes == sorted(set(sizes)), "each backup saw more than the one before: the log was written all the while"
    for number, size in enumerate(sizes):
        assert root_at(LogDirectory(tmp_path / f"backup-{number}"), size) == root_at(service.log.directory, size)


async def test_the_guard_is_never_in_a_backup_and_the_key_only_where_it_was_asked_for(
    service: Service, tmp_path: Path
) -> None:
    await fill(service, 3)
    await service.log.read(backup, service.log.directory, tmp_path / "without")
    await service.log.read(backup, service.log.directory, tmp_path / "with", with_key=True)
    files = {"log.db", "config.toml", "trust.toml", "log.vkey"}
    assert names(tmp_path / "without") == files
    assert names(tmp_path / "with") == {*files, "log.key"}
    assert stat.S_IMODE((tmp_path / "with" / "log.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "without").stat().st_mode) == 0o700
    assert names(tmp_path) == {"log", "without", "with"}


async def test_a_backup_can_be_read_where_nothing_can_be_written(service: Service, tmp_path: Path) -> None:
    await fill(service, 3)
    await service.log.read(backup, service.log.directory, tmp_path / "backup")
    (tmp_path / "backup").chmod(0o500)
    assert sqlite3.connect(f"file:{tmp_path}/backup/log.db?mode=ro", uri=True).execute("PRAGMA journal_mode").fetchone() == (
        "delete",
    )
    restore(LogDirectory(tmp_path / "backup"), LogDirectory(tmp_path / "restored"))
    assert names(tmp_path / "backup") == {"log.db", "config.toml", "trust.toml", "log.vkey"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: change_entry(path, 17, lambda entry: entry.replace(b"gateway", b"gatewax")),
        lambda path: change_payload(path, 17, lambda payload: payload.replace(b"model-1", b"model-2")),
        lambda path: drop_entries(path, 17),
        lambda path: execute(path, "UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE id = 0"),
        lambda path: execute(
            path, "UPDATE checkpoints SET note = CAST(replace(note, 'log.example', 'log.exampel') AS BLOB) WHERE size = 300"
        ),
    ],
    ids=["entry changed", "payload changed", "entries gone", "tile zeroed", "checkpoint changed"],
)
async def test_a_damaged_log_is_not_backed_up(directory: LogDirectory, damage: Callable[[Path], None]) -> None:
    await grow(directory, 300)
    damage(directory.log_path)
    out = directory.path.with_name("backup")
    with pytest.raises(TrustlogError) as raised:
        backup(directory, out)
    assert raised.value.code == "LOG_CORRUPT"
    assert not out.exists()


async def test_a_backup_replaces_only_an_earlier_one_and_only_when_told(directory: LogDirectory) -> None:
    await grow(directory, 3)
    copy = make_backup(directory)
    await grow(directory, 3, "more")
    with pytest.raises(Refused):
        backup(directory, copy.path)
    assert backup(directory, copy.path, force=True).log.size == 6
    other = make_log_directory(directory.path.with_name("other"))
    for out in (other.path, directory.path):
        with pytest.raises(Refused):
            backup(directory, out, force=True)
    assert other.guard_path.exists()
    assert directory.guard_path.exists()


# Restoring.


async def test_a_restored_log_serves_reads_and_signs_nothing(directory: LogDirectory) -> None:
    await grow(directory, 300)
    copy = make_backup(directory)
    restored = restored_of(directory)
    result = restore(copy, restored)
    assert (result.guard, result.read_only, result.log.size) == (None, True, 300)
    reason = await check_read_only(restored, published=300)
    assert "restore" in (reason.hint or "")


async def test_the_newest_checkpoint_lets_it_go_on_and_the_history_stays_one(directory: LogDirectory) -> None:
    known = await grow(directory, 300)
    copy = make_backup(directory)
    restored = restored_of(directory)
    restore(copy, restored)
    await check_read_only(restored, published=300)
    result = restore(copy, restored, newest=known.note)
    assert (result.guard, result.read_only) == (known, False)
    async with serving(restored) as service:
        assert (await service.post(receipt("r-7"))).json()["index"] == 7
        answer = (await service.post(receipt("new"))).json()
        assert answer["index"] == 300
        check_result(service, receipt("new"), answer)
    assert root_at(restored, 300) == known.root


async def test_what_was_stored_and_not_yet_published_is_published_by_the_restored_log(directory: LogDirectory) -> None:
    known = await grow(directory, 10)
    newest = await grow(directory, 5, "more")
    execute(directory.log_path, "DELETE FROM checkpoints WHERE size > 10")
    copy = make_backup(directory)
    restored = restored_of(directory)
    restore(copy, restored, newest=known.note)
    async with serving(restored) as service:
        assert service.log.published == newest


async def test_a_checkpoint_between_two_of_the_backup_is_kept(directory: LogDirectory) -> None:
    """A crash can keep a published checkpoint out of log.db: whoever saw it is answered again."""
    await grow(directory, 10)
    known = await grow(directory, 5, "more")
    newest = await grow(directory, 5, "most")
    execute(directory.log_path, "DELETE FROM checkpoints WHERE size = 15")
    restored = restored_of(directory)
    result = restore(make_backup(directory), restored, newest=known.note)
    assert result.guard == newest, "the backup itself knows a newer one"
    async with serving(restored) as service:
        assert (await service.get("/v1/checkpoints/15")).body == known.note
        assert service.log.read_only is None


async def test_cosignatures_on_the_checkpoint_do_no_harm(directory: LogDirectory) -> None:
    known = await grow(directory, 10)
    note = parse_note(known.note)
    witness = NoteSigner("witness.example", bytes(32), key_type=4)
    cosigned = known.note + witness.cosign(note.text, 1_700_000_000).encode()
    restored = restored_of(directory)
    result = restore(make_backup(directory), restored, newest=cosigned)
    assert result.guard == known
    async with serving(restored) as service:
        assert service.log.read_only is None


async def test_a_newer_checkpoint_than_the_backup_keeps_it_read_only_for_ever(directory: LogDirectory) -> None:
    old = await grow(directory, 10)
    copy = make_backup(directory)
    newest = await grow(directory, 5, "more")
    restored = restored_of(directory)
    restore(copy, restored)
    result = restore(copy, restored, newest=newest.note)
    assert (result.missing, result.read_only) == (5, True)
    reason = await check_read_only(restored, published=10)
    assert "lacks 5 entries" in reason.detail
    with pytest.raises(Refused, match="it has a guard"):
        restore(copy, restored, newest=old.note)  # an older one does not undo it
    later = make_backup(directory, "later")
    again = LogDirectory(directory.path.with_name("again"))
    assert not restore(later, again, newest=newest.note).read_only


async def test_the_same_at_once(directory: LogDirectory) -> None:
    await grow(directory, 10)
    copy = make_backup(directory)
    newest = await grow(directory, 5, "more")
    restored = restored_of(directory)
    assert restore(copy, restored, newest=newest.note).missing == 5
    assert "lacks 5 entries" in (await check_read_only(restored, published=10)).detail


async def test_a_fork_is_never_signed(directory: LogDirectory) -> None:
    """Two histories of one key: a log restored from one is not let on from a checkpoint of the other, at any size."""
    await grow(directory, 10)
    fork = LogDirectory(directory.path.with_name("fork"))
    shutil.copytree(directory.path, fork.path)  # with its guard, which nobody can tell from the original
    seen = [await grow(fork, 3, "fork"), await grow(fork, 10, "fork-more")]
    await grow(directory, 8, "mine")
    copy = make_backup(directory)
    restored = restored_of(directory)
    with pytest.raises(Refused) as raised:
        restore(copy, restored, newest=seen[0].note)
    assert raised.value.code == "CHECKPOINT_INCONSISTENT"
    assert not restored.path.exists()
    restore(copy, restored)
    with pytest.raises(Refused) as raised:
        restore(copy, restored, newest=seen[0].note)
    assert raised.value.code == "CHECKPOINT_INCONSISTENT"
    assert not restored.guard_path.exists()
    await check_read_only(restored, published=18)
    assert restore(copy, restored, newest=seen[1].note).missing == 5
    await check_read_only(restored, published=18)


async def test_a_checkpoint_that_the_key_did_not_sign_is_refused_and_nothing_is_made(directory: LogDirectory) -> None:
    known = await grow(directory, 10)
    copy = make_backup(directory)
    restored = restored_of(directory)
    stranger = NoteSigner(directory.read_signer().key.name, bytes(32))
    forged = sign_note(Checkpoint(stranger.key.name, 10, known.root).encode(), stranger)
    larger = known.note.replace(b"\n10\n", b"\n11\n")
    for note, code in ((forged, "NOTE_UNVERIFIED"), (larger, "NOTE_UNVERIFIED"), (b"nonsense", "NOTE_MALFORMED")):
        with pytest.raises(Refused) as raised:
            restore(copy, restored, newest=note)
        assert raised.value.code == code
    assert not restored.path.exists()


async def test_a_guard_that_was_lost_is_made_again_in_place(directory: LogDirectory) -> None:
    known = await grow(directory, 10)
    directory.guard_path.unlink()
    assert restore(directory, directory, newest=known.note).guard == known
    async with serving(directory) as service:
        assert (await service.post(receipt("new"))).json()["index"] == 10


async def test_a_log_with_its_guard_a_served_one_and_another_one_are_not_touched(directory: LogDirectory) -> None:
    known = await grow(directory, 10)
    copy = make_backup(directory)
    with pytest.raises(Refused, match="it has a guard"):
        restore(copy, directory, newest=known.note)
    with pytest.raises(Refused, match="not empty"):
        restore(copy, directory)
    restored = restored_of(directory)
    restore(copy, restored)
    async with serving(restored):
        with pytest.raises(TrustlogError) as raised:
            restore(copy, restored, newest=known.note)
        assert raised.value.code == "LOG_LOCKED"
    newer = await grow(directory, 5, "more")
    with pytest.raises(Refused, match="not restored from this backup"):
        restore(make_backup(directory, "later"), restored, newest=newer.note)
    other = make_log_directory(directory.path.with_name("other"))
    other.guard_path.unlink()
    with pytest.raises(Refused) as refused:
        restore(copy, other, newest=known.note)
    assert refused.value.code == "ORIGIN_MISMATCH"
    assert not restored.guard_path.exists()
    assert not other.guard_path.exists()


async def test_a_damaged_backup_is_not_restored(directory: LogDirectory) -> None:
    await grow(directory, 300)
    copy = make_backup(directory)
    execute(copy.log_path, "UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE id = 0")
    restored = restored_of(directory)
    with pytest.raises(TrustlogError) as raised:
        restore(copy, restored)
    assert raised.value.code == "LOG_CORRUPT"
    assert not restored.path.exists()


async def test_without_the_key_a_log_is_restored_and_waits_for_it(directory: LogDirectory) -> None:
    known = await grow(directory, 10)
    restored = restored_of(directory)
    result = restore(make_backup(directory, with_key=False), restored, newest=known.note)
    assert (result.has_key, restored.key_path.exists()) == (False, False)
    shutil.copyfile(directory.key_path, restored.key_path)
    restored.key_path.chmod(0o600)
    async with serving(restored) as service:
        assert open_checkpoint(service, (await service.get("/checkpoint")).body).size == 10
        assert (await service.post(receipt("new"))).status == 201


async def test_a_directory_that_is_no_backup_says_what_one_has(directory: LogDirectory, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(Refused) as raised:
            restore(LogDirectory(path), restored_of(directory))
        assert raised.value.code == "INPUT_UNREADABLE"
    copy = make_backup(directory, with_key=False)
    (copy.path / "log.vkey").unlink()
    with pytest.raises(Refused, match="is not a backup"):
        restore(copy, restored_of(directory))


async def test_a_failure_in_between_leaves_nothing(directory: LogDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    known = await grow(directory, 10)
    copy = make_backup(directory)
    restored = restored_of(directory)

    def fail(_descriptor: int) -> None:
        raise OSError("injected")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        for action in (
            lambda: backup(directory, copy.path.with_name("second")),
            lambda: restore(copy, restored, newest=known.note),
        ):
            with pytest.raises(TrustlogError) as raised:
                action()
            assert raised.value.code == "STORAGE_FAILED"
    assert names(directory.path.parent) == {"backup", "log"}
