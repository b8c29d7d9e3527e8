"""A client that notes all it was ever told, and the check that a log directory keeps every word of it."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trustlog.formats.base64 import decode_b64, decode_b64u
from trustlog.formats.checkpoint import Checkpoint, parse_checkpoint
from trustlog.formats.entry import parse_entry
from trustlog.formats.note import VerifierKey, open_note
from trustlog.log.directory import LogDirectory
from trustlog.log.proving import Prover
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_inclusion
from trustlog.merkle.tiles import tiles_of_size
from trustlog.storage.log_reader import LogReader

ROOT = Path(__file__).resolve().parents[2]

Answer = dict[str, Any]


@dataclass(frozen=True)
class Heard:
    """An acknowledgement, or a checkpoint alone, and when it had arrived (monotonic, ns)."""

    time_ns: int
    checkpoint: str
    answer: Answer | None = None


@dataclass
class Witnessed:
    """What the log has ever told its clients, and what it refused."""

    heard: list[Heard] = field(default_factory=list)
    refused: list[Answer] = field(default_factory=list)
    payloads: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def answers(self) -> list[Answer]:
        return [heard.answer for heard in self.heard if heard.answer is not None]

    def note(self, answer: Answer) -> Answer:
        if "checkpoint" in answer:
            self.heard.append(Heard(time.monotonic_ns(), answer["checkpoint"], answer))
        else:
            self.refused.append(answer)
        return answer

    def before(self, time_ns: int) -> Witnessed:
        """What had arrived before that moment."""
        return Witnessed(
            heard=[heard for heard in self.heard if heard.time_ns < time_ns],
            payloads=[(at, data) for at, data in self.payloads if at < time_ns],
        )


@dataclass
class Client:
    """Talks to one server after the other; a connection that breaks is the end of that request, and no error."""

    connect: Callable[[], http.client.HTTPConnection]
    witnessed: Witnessed

    def submit(self, envelopes: Sequence[bytes]) -> list[Answer]:
        """Submit one, or a batch; the answers that came whole, refusals among them."""
        one = len(envelopes) == 1
        content_type = "application/json" if one else "application/x-ndjson"
        answers: list[Answer] = []
        with _broken_off_is_fine(), self._ask("POST", "/v1/entries", b"\n".join(envelopes), content_type) as response:
            if one or response.status != 200:
                answers.append(self.witnessed.note(json.loads(response.read())))
            else:
                answers += [self.witnessed.note(json.loads(line)) for line in response]
        return answers

    def put_payload(self, data: bytes) -> int | None:
        """Store content on its own; the status if the answer came whole."""
        status: int | None = None
        with _broken_off_is_fine(), self._ask("POST", "/v1/payloads", data, "application/octet-stream") as response:
            answer = json.loads(response.read())
            if response.status in {200, 201}:
                self.witnessed.payloads.append((time.monotonic_ns(), data))
            else:
                self.witnessed.refused.append(answer)
            return response.status

    def get_checkpoint(self) -> str | None:
        """The checkpoint if it came whole."""
        with _broken_off_is_fine(), self._ask("GET", "/checkpoint") as response:
            note = response.read().decode()
            if response.status == 200:
                self.witnessed.heard.append(Heard(time.monotonic_ns(), note))
                return note
        return None

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        with self._ask("GET", path) as response:
            return response.status, response.read()

    def retry_after(self, path: str, body: bytes) -> str | None:
        """What a refused submission says about trying again."""
        with self._ask("POST", path, body, "application/json") as response:
            response.read()
            return response.getheader("Retry-After")

    @contextlib.contextmanager
    def _ask(
        self, method: str, path: str, body: bytes | None = None, content_type: str | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        headers = {"Connection": "close"} | ({"Content-Type": content_type} if content_type else {})
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, headers)
            with connection.getresponse() as response:
                yield response


@contextlib.contextmanager
def _broken_off_is_fine() -> Iterator[None]:
    try:
        yield
    except TimeoutError:  # a server may die, but not leave its clients waiting
        raise
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        pass


def read_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    return parse_checkpoint(open_note(note.encode(), [key]).text)


def check_whole(directory: LogDirectory, witnessed: Witnessed) -> int:
    """Every acknowledged entry is there, every checkpoint ever seen is of this tree, and the tree recomputes; its size."""
    key = directory.read_signer().key
    reader = LogReader(directory.log_path)
    try:
        size = reader.size()
        entries = reader.entries(0, size)
        edge, tiles = Edge.empty().append([hash_leaf(entry) for entry in entries])
        computed = dict(tiles)
        assert reader.tiles(list(tiles_of_size(size))) == [computed[tile] for tile in tiles_of_size(size)]
        check_checkpoints(reader, size, witnessed, key)
        for answer in witnessed.answers:
            check_answer(answer, entries, key)
        for stored in reader.stored_range(0, size):
            assert stored.payload is not None
            assert hashlib.sha256(stored.payload).digest() == parse_entry(stored.entry).payload_hash
        newest = reader.checkpoint(size)
        assert newest is not None
        assert read_checkpoint(newest.decode(), key).root == edge.root()
    finally:
        reader.close()
    return size


def check_checkpoints(reader: LogReader, size: int, witnessed: Witnessed, key: VerifierKey) -> None:
    """All are of trees with which the tree of `size` leaves begins, so no two of them contradict each other."""
    prover = Prover(reader, size)
    for note in {heard.checkpoint for heard in witnessed.heard}:
        checkpoint = read_checkpoint(note, key)
        assert checkpoint.size <= size
        assert prover.root(checkpoint.size) == checkpoint.root


def check_answer(answer: Answer, entries: Sequence[bytes], key: VerifierKey) -> None:
    """The entry is where the answer says, and the answer proves it."""
    checkpoint = read_checkpoint(answer["checkpoint"], key)
    assert entries[answer["index"]].decode() == answer["entry"]
    proof = [decode_b64(node, "node", 32) for node in answer["inclusion_proof"]]
    leaf_hash = decode_b64u(answer["leaf_hash_b64u"], 32, "leaf")
    check_inclusion(proof, answer["index"], checkpoint.size, leaf_hash, checkpoint.root)


def export(directory: LogDirectory, out: Path) -> subprocess.CompletedProcess[str]:
    """What ``trustlog export`` says and returns."""
    return _run("trustlog.cli", "export", directory.path, out)


def check_by_verifier(directory: LogDirectory, out: Path) -> None:
    """The independent verifier finds nothing wrong with the whole log, exported to `out`."""
    exported = export(directory, out)
    assert exported.returncode == 0, exported.stderr
    verified = _run("verifier", "log", out, "--trust", directory.trust_path, "--deep")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _run(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
