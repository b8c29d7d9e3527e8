"""One flipped bit in what is stored: never answered as the truth, and everything beside it goes on as far as it can."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.server_process import Forked, Launcher
from tests.crash.witness import Answer, Client, Witnessed, check_answer, check_whole, export
from tests.integration.log.actors import make_log_directory, receipt
from trustlog.formats.base64 import decode_b64, encode_b64u
from trustlog.formats.entry import parse_entry
from trustlog.log.directory import LogDirectory
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_inclusion
from trustlog.storage.log_reader import LogReader

MIDDLE_SIZE = 200
SIZE = 300  # one full tile, and the beginning of the next
DAMAGED = 100  # an entry of the full tile
NEIGHBOUR = 101  # whose proof needs the leaf hash of the other


@dataclass(frozen=True)
class Sound:
    """A log of SIZE entries without damage. Stopped, so that all is in ``log.db`` and ``guard.db`` themselves."""

    path: Path
    envelopes: list[bytes]
    entries: list[bytes]
    payloads: list[bytes]
    checkpoints: dict[int, str]

    def set_up(self, path: Path) -> LogDirectory:
        shutil.copytree(self.path, path)
        return LogDirectory(path)


@pytest.fixture(scope="module")
def sound(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    directory = make_log_directory(tmp_path_factory.mktemp("sound") / "log")
    envelopes = [receipt(f"r-{i}") for i in range(SIZE)]
    checkpoints = {}
    witnessed = Witnessed()
    for first, end in [(0, MIDDLE_SIZE), (MIDDLE_SIZE, SIZE)]:
        with launcher.running(directory.path) as server:
            client = Client(server.connect, witnessed)
            client.submit(envelopes[first:end])
            checkpoints[end] = client.get_checkpoint() or ""
            assert server.terminate() == 0
    check_whole(directory, witnessed)
    reader = LogReader(directory.log_path)
    stored = list(reader.stored_range(0, SIZE))
    reader.close()
    return Sound(directory.path, envelopes, [s.entry for s in stored], [s.payload or b"" for s in stored], checkpoints)


def flip(path: Path, known: bytes) -> None:
    """Flip one bit in the midst of the `known` bytes, wherever the file has them."""
    content = path.read_bytes()
    assert known in content
    middle = len(known) // 2
    path.write_bytes(content.replace(known, known[:middle] + bytes([known[middle] ^ 1]) + known[middle + 1 :]))
    ahead = path.with_name(path.name + "-wal")
    assert not ahead.exists() or ahead.stat().st_size == 0, "the write-ahead log may hide the damage"


def signature(entry: bytes) -> bytes:
    return encode_b64u(parse_entry(entry).signature).encode()


def signature_of_note(note: str) -> bytes:
    """The signature's text: without the key's name, which every checkpoint has."""
    return note.splitlines()[-1].rpartition(" ")[2].encode()


@contextmanager
def serving(launcher: Launcher, directory: LogDirectory) -> Iterator[tuple[Forked, Client]]:
    with launcher.running(directory.path) as server:
        yield server, Client(server.connect, Witnessed())
        assert server.terminate() == 0


def check_refused(client: Client, path: str) -> None:
    status, body = client.get(path)
    assert (status, json.loads(body).get("code")) == (503, "LOG_CORRUPT"), (path, body[:200])


def check_goes_on(client: Client, sound: Sound, *, proven: tuple[int, ...] = (0, DAMAGED + 100, SIZE - 1)) -> None:
    """Other entries are `proven`, and new ones taken."""
    key = LogDirectory(sound.path).read_signer().key
    for index in proven:
        (answer,) = client.submit([sound.envelopes[index]])
        assert answer["index"] == index
        check_answer(answer, sound.entries, key)
    (answer,) = client.submit([receipt("new")])
    assert answer["index"] == SIZE


def test_an_entry_is_neither_proven_nor_exported(launcher: Launcher, sound: Sound, tmp_path: Path) -> None:
    directory = sound.set_up(tmp_path / "log")
    flip(directory.log_path, signature(sound.entries[DAMAGED]))
    with serving(launcher, directory) as (_, client):
        (refused,) = client.submit([sound.envelopes[DAMAGED]])
        assert (refused["status"], refused["code"]) == (503, "LOG_CORRUPT")
        check_goes_on(client, sound)
    exported = export(directory, tmp_path / "out")
    assert exported.returncode == 1
    assert "LOG_CORRUPT" in exported.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/entries/{DAMAGED}",
        "/tile/entries/000",
    ],
)
def test_an_entry_is_not_answered(launcher: Launcher, sound: Sound, tmp_path: Path, path: str) -> None:
    directory = sound.set_up(tmp_path / "log")
    flip(directory.log_path, signature(sound.entries[DAMAGED]))
    with serving(launcher, directory) as (_, client):
        check_refused(client, path)


def test_a_proof_of_a_damaged_entry_is_of_what_it_was(launcher: Launcher, sound: Sound, tmp_path: Path) -> None:
    """It is made of the tree alone, and proves the damage to nobody."""
    directory = sound.set_up(tmp_path / "log")
    flip(directory.log_path, signature(sound.entries[DAMAGED]))
    with serving(launcher, directory) as (_, client):
        status, body = client.get(f"/v1/proofs/inclusion?index={DAMAGED}")
        assert status == 200
        check_proven(json.loads(body), sound)


def test_the_last_entry_stops_the_start(launcher: Launcher, sound: Sound, tmp_path: Path) -> None:
    directory = sound.set_up(tmp_path / "log")
    flip(directory.log_path, signature(sound.entries[SIZE - 1]))
    with launcher.running(directory.path) as server:
        assert (server.port, server.wait()) == (None, 1)
        assert server.stderr() == [
            "error: LOG_CORRUPT: the last entries in log.db are not those that its tiles commit to",
            "hint: Stop, keep the directory as it is, and restore a backup: trustlog restore.",
        ]


def test_a_payload_is_not_answered(launcher: Launcher, sound: Sound, tmp_path: Path) -> None:
    directory = sound.set_up(tmp_path / "log")
    flip(directory.log_path, f'"receipt_id":"r-{DAMAGED}"'.encode())
    with serving(launcher, directory) as (_, client):
        check_refused(client, f"/v1/payloads/{encode_b64u(hashlib.sha256(sound.payloads[DAMAGED]).digest())}")
        check_goes_on(client, sound)


def test_a_payload_is_not_exported(sound: Sound, tmp_path: Path) -> None:
    directory = sound.set_up(tmp_path / "log")
    flip(directory.log_path, f'"receipt_id":"r-{DAMAGED}"'.encode())
    exported = export(directory, tmp_path / "out")
    assert (exported.returncode, "LOG_CORRUPT" in exported.stderr) == (1, True)
    assert not (tmp_path / "out").exists()


def test_a_leaf_hash_is_not_proven_with(launcher: Launcher, sound: Sound, tmp_path: Path) -> None:
    directory = sound.set_up(tmp_path / "log")
    flip(directory.log_path, hash_leaf(sound.entries[DAMAGED]))
    with serving(launcher, directory) as (_, client):
        for index in (DAMAGED, NEIGHBOUR):
            (refused,) = client.submit([sound.envelopes[index]])
            assert (refused["status"], refused["code"]) == (503, "LOG_CORRUPT")
        check_goes_on(client, sound, proven=(SIZE - 1,))  # whose proof needs no hash of that tile
    exported = export(directory, tmp_path / "out")
    assert (exported.returncode, "LOG_CORRUPT" in exported.stderr) == (1, True)


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/000",
        f"/v1/entries/{NEIGHBOUR}",
        f"/v1/proofs/inclusion?index={NEIGHBOUR}",
        f"/v1/proofs/consistency?from={DAMAGED}",
    ],
)
def test_a_leaf_hash_is_not_answered(launcher: Launcher, sound: Sound, tmp_path: Path, path: str) -> None:
    directory = sound.set_up(tmp_path / "log")
    flip(directory.log_path, hash_leaf(sound.entries[DAMAGED]))
    with serving(launcher, directory) as (_, client):
        check_refused(client, path)


def test_an_old_checkpoint_is_not_answered(launcher: Launcher, sound: Sound, tmp_path: Path) -> None:
    directory = sound.set_up(tmp_path / "log")
    flip(directory.log_path, signature_of_note(sound.checkpoints[MIDDLE_SIZE]))
    with serving(launcher, directory) as (_, client):
        check_goes_on(client, sound)
        check_refused(client, f"/v1/checkpoints/{MIDDLE_SIZE}")


def test_the_newest_checkpoint_is_not_answered(launcher: Launcher, sound: Sound, tmp_path: Path) -> None:
    """The guard has it too: the log may go on with that, or stop and say why."""
    directory = sound.set_up(tmp_path / "log")
    flip(directory.log_path, signature_of_note(sound.checkpoints[SIZE]))
    with launcher.running(directory.path) as server:
        if server.port is None:
            assert server.wait() == 1
            assert [line.split(":")[0] for line in server.stderr()] == ["error", "hint"]
        else:
            assert Client(server.connect, Witnessed()).get_checkpoint() == sound.checkpoints[SIZE]


@pytest.mark.parametrize("part", ["signature", "root in the note", "root", "file header"])
def test_a_guard_is_not_signed_upon(launcher: Launcher, sound: Sound, tmp_path: Path, part: str) -> None:
    """Read-only, under the newest checkpoint that ``log.db`` carries."""
    directory = sound.set_up(tmp_path / "log")
    note = sound.checkpoints[SIZE]
    root = note.splitlines()[2]
    known = {
        "signature": signature_of_note(note),
        "root in the note": root.encode(),
        "root": decode_b64(root, "root", 32),
        "file header": b"SQLite format 3",
    }[part]
    flip(directory.guard_path, known)
    with launcher.running(directory.path) as server:
        client = Client(server.connect, Witnessed())
        if server.port is None:  # only what is no database at all is refused so
            assert part == "file header"
            assert server.wait() == 1
            assert [line.split(":")[0] for line in server.stderr()] == ["error", "hint"]
            return
        status, body = client.get("/readyz")
        problem: Answer = json.loads(body)
        assert (status, problem["code"]) == (503, "LOG_READ_ONLY")
        assert "guard" in problem["detail"]
        assert "put back the newest log.db and guard.db" in problem["hint"]
        assert client.submit([receipt("new")])[0]["code"] == "LOG_READ_ONLY"
        assert client.get_checkpoint() == note
        status, body = client.get(f"/v1/entries/{DAMAGED}")
        check_proven(json.loads(body), sound)


def check_proven(answer: Answer, sound: Sound) -> None:
    proof = [decode_b64(node, "node", 32) for node in answer["inclusion_proof"]]
    root = decode_b64(sound.checkpoints[SIZE].splitlines()[2], "root", 32)
    check_inclusion(proof, answer["index"], SIZE, hash_leaf(sound.entries[answer["index"]]), root)
