"""What a start finds, and what it does about it: every case that a crash can leave, and those that only a person can."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.log.actors import make_log_directory, receipt
from tests.integration.log.conftest import serving
from tests.integration.log.damage import change_entry, execute
from tests.integration.log.test_service import check_result, fill, open_checkpoint
from trustlog.errors import Fatal, TrustlogError
from trustlog.log.commit import Committer
from trustlog.log.directory import LogDirectory
from trustlog.log.log import Log
from trustlog.log.shared import Slot
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.records.candidate import Candidate
from trustlog.records.ledger import Ledger
from trustlog.storage.connection import StorageFailed
from trustlog.storage.guard import Guard, SignedTree
from trustlog.storage.log_reader import LogReader


async def grow(directory: LogDirectory, count: int, prefix: str = "r") -> SignedTree:
    """Add entries, then stop; the tree published last."""
    async with serving(directory) as service:
        await fill(service, count, prefix)
        return service.log.published


def copy_of(path: Path) -> Path:
    """A copy of a database and what belongs to it, taken while nobody has it open."""
    copy = path.with_name(path.name + ".copy")
    shutil.copyfile(path, copy)
    return copy


def put_back(copy: Path, path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(copy, path)


async def check_read_only(directory: LogDirectory, *, published: int) -> TrustlogError:
    """It starts, takes nothing, and serves the tree of `published` leaves."""
    async with serving(directory) as service:
        answer = await service.post(receipt("new"))
        assert (answer.status, answer.json()["code"]) == (503, "LOG_READ_ONLY")
        assert answer.headers["Retry-After"]
        stored = await service.post(b"x", path="/v1/payloads", content_type="application/octet-stream")
        assert stored.json()["code"] == "LOG_READ_ONLY"
        assert (await service.get("/readyz")).status == 503
        assert (await service.get("/healthz")).status == 200
        assert open_checkpoint(service, (await service.get("/checkpoint")).body).size == published
        if published:
            result = (await service.get(f"/v1/entries/{published - 1}")).json()
            assert result["tree_size"] == published
        assert service.log.read_only is not None
        return service.log.read_only


async def test_a_clean_restart_goes_on_where_it_stopped(directory: LogDirectory) -> None:
    before = await grow(directory, 300)
    async with serving(directory) as service:
        assert service.log.published == before
        assert (await service.post(receipt("r-7"))).json()["index"] == 7
        answer = await service.post(receipt("new"))
        assert answer.json()["index"] == 300
        check_result(service, receipt("new"), answer.json())


async def test_crash_between_storing_and_signing_is_repaired(directory: LogDirectory) -> None:
    await grow(directory, 10)
    guard = copy_of(directory.guard_path)
    newest = await grow(directory, 5, "more")
    put_back(guard, directory.guard_path)
    execute(directory.log_path, "DELETE FROM checkpoints WHERE size > 10")
    async with serving(directory) as service:
        assert service.log.published == newest
        assert (await service.get("/v1/checkpoints/15")).body == newest.note
        assert (await service.post(receipt("more-3"))).json()["already_logged"]


async def test_crash_between_guard_and_publishing_is_repaired(directory: LogDirectory) -> None:
    newest = await grow(directory, 10)
    execute(directory.log_path, "DELETE FROM checkpoints WHERE size = 10")
    async with serving(directory) as service:
        assert service.log.published == newest
        assert (await service.get("/v1/checkpoints/10")).body == newest.note


async def test_an_old_copy_of_the_log_is_read_only(directory: LogDirectory) -> None:
    await grow(directory, 10)
    old = copy_of(directory.log_path)
    await grow(directory, 5, "more")
    put_back(old, directory.log_path)
    reason = await check_read_only(directory, published=10)
    assert (reason.code, reason.param) == ("GUARD_MISMATCH", "guard.db")
    assert "size 15" in (reason.expected or "")


async def test_an_old_copy_of_the_guard_is_read_only(directory: LogDirectory) -> None:
    await grow(directory, 10)
    old = copy_of(directory.guard_path)
    await grow(directory, 5, "more")
    put_back(old, directory.guard_path)
    assert (await check_read_only(directory, published=15)).code == "GUARD_MISMATCH"


async def test_a_missing_guard_is_read_only(directory: LogDirectory) -> None:
    await grow(directory, 10)
    directory.guard_path.unlink()
    assert (await check_read_only(directory, published=10)).code == "GUARD_MISMATCH"


async def test_a_missing_guard_beside_an_empty_log_is_read_only(directory: LogDirectory) -> None:
    directory.guard_path.unlink()
    assert (await check_read_only(directory, published=0)).code == "GUARD_MISMATCH"


async def test_another_history_under_the_same_size_is_read_only(tmp_path: Path) -> None:
    directory = make_log_directory(tmp_path / "log")
    fork = copy_of(directory.log_path)
    await grow(directory, 10)
    guard = copy_of(directory.guard_path)
    put_back(fork, directory.log_path)
    execute(directory.guard_path, "UPDATE guard SET size = 0, root = x'', note = x''")
    execute(directory.guard_path, "DELETE FROM guard")
    assert (await check_read_only(directory, published=0)).code == "GUARD_MISMATCH"
    put_back(guard, directory.guard_path)
    assert (await check_read_only(directory, published=0)).code == "GUARD_MISMATCH"


async def test_a_guard_that_contradicts_itself_is_read_only(directory: LogDirectory) -> None:
    await grow(directory, 10)
    execute(directory.guard_path, "UPDATE guard SET size = 9")
    assert (await check_read_only(directory, published=10)).code == "GUARD_MISMATCH"


def lose_checkpoints(path: Path) -> None:
    execute(path, "DELETE FROM checkpoints")
    path.with_name("guard.db").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: change_entry(path, 299, lambda entry: entry.replace(b"gateway", b"gatewax")),
        lambda path: execute(path, "UPDATE segments SET count = count - 1 WHERE first = 256"),
        lambda path: execute(path, "DELETE FROM tiles WHERE id = 1"),
        lambda path: execute(path, "UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE id = 1"),
        lose_checkpoints,
    ],
    ids=["entry changed", "entry not counted", "tile gone", "tile zeroed", "no checkpoint anywhere"],
)
async def test_a_damaged_log_does_not_start(directory: LogDirectory, damage: Callable[[Path], None]) -> None:
    await grow(directory, 300)
    damage(directory.log_path)
    with pytest.raises(Fatal) as raised:
        await Log.open(directory)
    assert raised.value.code == "LOG_CORRUPT"
    await check_lock_is_free(directory)


async def test_a_damaged_tile_of_the_edge_is_read_only_under_an_older_checkpoint(directory: LogDirectory) -> None:
    await grow(directory, 200)
    await grow(directory, 600, "more")
    execute(directory.log_path, "UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE id = ?", 1 << 48)  # tile/1/000
    async with serving(directory) as service:
        assert service.log.read_only is not None
        assert 200 <= service.log.published.size < 256
        assert (await service.post(receipt("new"))).json()["code"] == "LOG_READ_ONLY"
        check_result(service, receipt("r-7"), (await service.get("/v1/entries/7")).json())


async def test_damage_far_inside_is_told_to_whoever_meets_it(directory: LogDirectory) -> None:
    """A full tile is not read at a start; the proof that needs it is refused, and the log goes on."""
    await grow(directory, 800)
    execute(directory.log_path, "UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE id = 1")
    async with serving(directory) as service:
        answer = await service.post(receipt("r-300"))
        assert (answer.status, answer.json()["code"]) == (503, "LOG_CORRUPT")
        assert (await service.post(receipt("r-799"))).json()["already_logged"]
        check_result(service, receipt("new"), (await service.post(receipt("new"))).json())


async def check_lock_is_free(directory: LogDirectory) -> None:
    with pytest.raises(Fatal):
        await Log.open(directory)


async def test_two_writers_on_one_directory(directory: LogDirectory) -> None:
    async with serving(directory) as service:
        with pytest.raises(TrustlogError) as raised:
            await Log.open(directory)
        assert raised.value.code == "LOG_LOCKED"
        assert (await service.post(receipt("r"))).status == 201


async def test_a_writer_that_got_past_the_lock_is_stopped_by_the_guard(directory: LogDirectory) -> None:
    async with serving(directory) as service:
        await fill(service, 3)
        guard = Guard.open(directory.guard_path)
        assert guard is not None
        mine = guard.last_signed()
        assert mine is not None
        guard.advance(mine, SignedTree(4, bytes(32), b"someone else's"))
        guard.close()
        answer = await service.post(receipt("r"))
        assert (answer.status, answer.json()["code"]) == (503, "UNAVAILABLE")
        failure = service.log.link.ended
        assert failure is not None
        assert failure.code == "GUARD_MISMATCH"
        assert (await service.post(receipt("s"))).json()["code"] == "UNAVAILABLE"
        assert (await service.get("/readyz")).status == 503
        assert open_checkpoint(service, (await service.get("/checkpoint")).body).size == 3


async def test_entries_that_someone_else_appended_fail_the_batch(directory: LogDirectory) -> None:
    """Two processes, one database: the second one's transaction finds its index taken, and the log stops."""
    async with serving(directory) as service:
        await fill(service, 3)
        execute(directory.log_path, "INSERT INTO segments VALUES (3, 1, x'000100', x'0000000100', x'ffffffff')")
        assert (await service.post(receipt("r"))).status == 503
        failure = service.log.link.ended
        assert failure is not None
        assert "failed batch" in failure.detail


async def test_a_failed_transaction_fails_only_its_batch(directory: LogDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(directory) as service:
        await fill(service, 3)
        execute(directory.log_path, "CREATE TRIGGER full BEFORE INSERT ON keys BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        answer = await service.post(receipt("r"))
        assert (answer.status, answer.json()["code"]) == (503, "STORAGE_FAILED")
        assert service.log.reader.size() == 3
        assert service.log.link.ended is None
        execute(directory.log_path, "DROP TRIGGER full")
        answer = await service.post(receipt("r"))
        assert answer.json()["index"] == 3
        check_result(service, receipt("r"), answer.json())


async def test_a_candidate_that_finds_a_defect_leaves_its_batch_alone(
    directory: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Ledger.judge

    def judge_with_defect(self: Ledger, candidate: Candidate, index: int) -> None:
        if candidate.record.receipt_id == "defect":
            raise ZeroDivisionError
        judge(self, candidate, index)

    monkeypatch.setattr(Ledger, "judge", judge_with_defect)
    async with serving(directory) as service:
        answers = await service.post_lines([receipt("a"), receipt("defect"), receipt("b")])
        assert [answers[0]["index"], answers[1]["code"], answers[2]["index"]] == [0, "INTERNAL_ERROR", 1]
        assert service.log.reader.size() == 2


async def test_a_history_that_cannot_be_read_fails_the_batch(
    directory: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise StorageFailed("STORAGE_FAILED", "injected")

    async with serving(directory) as service:
        assert (await service.post(receipt("r"))).status == 201
        with monkeypatch.context() as patch:
            patch.setattr(LogReader, "keys_at", fail)
            assert (await service.post(receipt("r"))).json()["code"] == "STORAGE_FAILED"
        assert (await service.post(receipt("r"))).json()["already_logged"]


@pytest.mark.parametrize("step", ["guard", "publish", "read back", "proofs"])
async def test_a_failure_after_signing_stops_the_log_and_a_restart_repairs_it(
    directory: LogDirectory, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_args: object) -> None:
        raise OSError("injected")

    async with serving(directory) as service:
        await fill(service, 3)
        with monkeypatch.context() as patch:
            match step:
                case "guard":
                    patch.setattr(Guard, "advance", fail)
                case "publish":
                    patch.setattr(Slot, "write", fail)
                case "read back":
                    patch.setattr(Committer, "_read_back", fail)
                case _:
                    patch.setattr(Committer, "_check_proofs", fail)
            assert (await service.post(receipt("r"))).json()["code"] == "UNAVAILABLE"
        assert service.log.link.ended is not None
    async with serving(directory) as service:
        answer = await service.post(receipt("r"))
        assert answer.json()["index"] == 3
        assert answer.json()["already_logged"]
        check_result(service, receipt("r"), answer.json())


async def test_the_index_is_rebuilt_when_it_is_gone_or_another_logs(directory: LogDirectory, tmp_path: Path) -> None:
    await grow(directory, 20)
    other = make_log_directory(tmp_path / "other")
    await grow(other, 30, "other")
    shutil.copyfile(other.index_path, directory.index_path)
    for damage in (lambda: None, directory.index_path.unlink, lambda: directory.index_path.write_bytes(b"not a database")):
        damage()
        async with serving(directory) as service:
            found = (await service.get("/v1/entries?receipt=r-13&min_size=20")).json()
            assert [entry["index"] for entry in found["entries"]] == [13]
            assert (await service.get("/v1/entries?receipt=other-13")).json()["entries"] == []


async def test_the_key_of_another_log_is_refused(directory: LogDirectory, tmp_path: Path) -> None:
    directory.config_path.write_text('origin = "another.example/log"\n')
    with pytest.raises(TrustlogError) as raised:
        await Log.open(directory)
    assert raised.value.code == "ORIGIN_MISMATCH"


async def test_the_trust_policy_of_another_log_is_refused(directory: LogDirectory, tmp_path: Path) -> None:
    other = make_log_directory(tmp_path / "other")
    mine = directory.trust_path.read_text()
    directory.trust_path.write_text(other.trust_path.read_text())
    with pytest.raises(TrustlogError) as raised:
        await Log.open(directory)
    assert raised.value.code == "TRUST_POLICY_INVALID"
    directory.trust_path.write_text(mine)
    async with serving(directory) as service:
        directory.trust_path.write_text(other.trust_path.read_text())
        with pytest.raises(TrustlogError, match="TRUST_POLICY_INVALID"):
            await service.log.reload_trust()
        assert (await service.post(receipt("r"))).status == 201, "the old one stays in force"


async def test_a_key_that_others_can_read_is_refused(directory: LogDirectory) -> None:
    directory.key_path.chmod(0o644)
    with pytest.raises(TrustlogError) as raised:
        await Log.open(directory)
    assert raised.value.code == "INPUT_UNREADABLE"
    assert "PRIVATE" not in str(raised.value)


async def test_the_stored_tree_is_the_tree_of_the_stored_entries(directory: LogDirectory) -> None:
    async with serving(directory) as service:
        for size in (1, 254, 1, 1, 300):
            await fill(service, size, prefix=f"b{service.log.published.size}")
        entries = service.log.reader.entries(0, service.log.published.size)
        edge, _ = Edge.empty().append([hash_leaf(entry) for entry in entries])
        assert edge == Edge.from_tiles(len(entries), service.log.reader.tiles)
        assert edge.root() == service.log.published.root
