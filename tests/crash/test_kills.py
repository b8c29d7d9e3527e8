"""A server that is killed at random while it writes loses nothing that it acknowledged, and never contradicts itself."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.crash.server_process import Server, Witnessed, running, start
from tests.integration.log.actors import make_log_directory, receipt
from trustlog.formats.base64 import decode_b64, decode_b64u
from trustlog.formats.checkpoint import Checkpoint, parse_checkpoint
from trustlog.formats.note import VerifierKey, open_note
from trustlog.log.directory import LogDirectory
from trustlog.log.proving import Prover
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_inclusion
from trustlog.merkle.tiles import tiles_of_size
from trustlog.storage.log_reader import LogReader

LONGEST_RUN_S = 0.4


def submit_until_dead(server: Server, name: str, witnessed: Witnessed, lock: threading.Lock) -> None:
    """Submit one after the other, some of them batches; note every answer that came whole."""
    connection = server.connect()
    number = 0
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        while True:
            lines = [receipt(f"{name}-{number + i}") for i in range(40 if number % 7 == 0 else 1)]
            number += len(lines)
            one = len(lines) == 1
            content_type = "application/json" if one else "application/x-ndjson"
            connection.request(
                "POST", "/v1/entries", b"".join(lines) if one else b"\n".join(lines), {"Content-Type": content_type}
            )
            response = connection.getresponse()
            for line in response if not one else [response.read()]:
                answer = json.loads(line)
                with lock:
                    witnessed.answers.append(answer)
                    witnessed.checkpoints.add(answer["checkpoint"])
            connection.request("GET", "/checkpoint")
            note = connection.getresponse().read().decode()
            with lock:
                witnessed.checkpoints.add(note)
    connection.close()


def kill_while_writing(directory: Path, round_name: str, witnessed: Witnessed, after_s: float) -> None:
    lock = threading.Lock()
    with running(directory) as server:
        threads = [
            threading.Thread(target=submit_until_dead, args=(server, f"{round_name}-{n}", witnessed, lock)) for n in range(3)
        ]
        for thread in threads:
            thread.start()
        time.sleep(after_s)
        server.kill()
        for thread in threads:
            thread.join()


def read_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    return parse_checkpoint(open_note(note.encode(), [key]).text)


def check_whole(directory: LogDirectory, witnessed: Witnessed) -> int:
    """Every acknowledged entry is there, every checkpoint ever seen is of this tree, and the tree recomputes; its size."""
    key = directory.read_signer().key
    reader = LogReader(directory.log_path)
    size = reader.size()
    entries = reader.entries(0, size)
    edge, tiles = Edge.empty().append([hash_leaf(entry) for entry in entries])
    computed = dict(tiles)
    assert reader.tiles(list(tiles_of_size(size))) == [computed[tile] for tile in tiles_of_size(size)]
    prover = Prover(reader, size)
    for note in witnessed.checkpoints:
        checkpoint = read_checkpoint(note, key)
        assert checkpoint.size <= size
        assert prover.root(checkpoint.size) == checkpoint.root
    for answer in witnessed.answers:
        check_answer(answer, entries, key)
    payloads = sqlite3.connect(directory.log_path)
    assert payloads.execute("SELECT count(*) FROM entries WHERE payload IS NULL").fetchone() == (0,)
    payloads.close()
    newest = reader.checkpoint(size)
    assert newest is not None
    assert read_checkpoint(newest.decode(), key).root == edge.root()
    reader.close()
    return size


def check_answer(answer: dict[str, Any], entries: list[bytes], key: VerifierKey) -> None:
    checkpoint = read_checkpoint(answer["checkpoint"], key)
    assert entries[answer["index"]].decode() == answer["entry"]
    proof = [decode_b64(node, "node", 32) for node in answer["inclusion_proof"]]
    leaf_hash = decode_b64u(answer["leaf_hash_b64u"], 32, "leaf")
    check_inclusion(proof, answer["index"], checkpoint.size, leaf_hash, checkpoint.root)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_nothing_acknowledged_is_lost_and_nothing_is_forked(tmp_path: Path, kills: int) -> None:
    directory = make_log_directory(tmp_path / "log")
    witnessed = Witnessed()
    moments = random.Random(kills)  # noqa: S311 - the same moments every time
    for i in range(kills):
        kill_while_writing(directory.path, f"round-{i}", witnessed, moments.uniform(0.0, LONGEST_RUN_S))
        if i % 10 == 9:
            with running(directory.path) as server:  # a clean start and stop in between
                server.process.send_signal(signal.SIGTERM)
                assert server.process.wait(20) == 0
            check_whole(directory, witnessed)
    with running(directory.path) as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    size = check_whole(directory, witnessed)
    assert witnessed.answers, "nothing was ever acknowledged: this test tested nothing"
    assert size >= len({answer["index"] for answer in witnessed.answers})


def test_submitting_again_after_a_kill_finds_the_first_entry(tmp_path: Path) -> None:
    directory = make_log_directory(tmp_path / "log")
    envelope = receipt("r")
    answers = []
    for _ in range(2):
        with running(directory.path) as server:
            connection = server.connect()
            connection.request("POST", "/v1/entries", envelope, {"Content-Type": "application/json"})
            answers.append(json.loads(connection.getresponse().read()))
            connection.close()
            server.kill()
    assert [answer["index"] for answer in answers] == [0, 0]
    assert [answer["already_logged"] for answer in answers] == [False, True]


def test_a_graceful_stop_answers_what_it_took_and_exits_0(tmp_path: Path) -> None:
    directory = make_log_directory(tmp_path / "log")
    with running(directory.path) as server:
        connection = server.connect()
        lines = b"\n".join(receipt(f"r-{i}") for i in range(500))
        connection.request("POST", "/v1/entries", lines, {"Content-Type": "application/x-ndjson"})
        response = connection.getresponse()
        server.process.send_signal(signal.SIGTERM)
        answers = [json.loads(line) for line in response]
        connection.close()
        assert server.process.wait(20) == 0
        assert server.process.stderr is not None
        assert server.process.stderr.read() == b""
    assert [answer["index"] for answer in answers] == list(range(500))


def test_a_second_server_on_the_directory_is_refused_and_says_so(tmp_path: Path) -> None:
    directory = make_log_directory(tmp_path / "log")
    with running(directory.path):
        second = start(directory.path)
        out, err = second.communicate(timeout=20)
    assert (second.returncode, out) == (1, b"")
    lines = err.decode().splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    assert "LOG_LOCKED" in lines[0]


def test_a_fatal_failure_stops_the_process_and_says_what_to_do(tmp_path: Path) -> None:
    directory = make_log_directory(tmp_path / "log")
    with running(directory.path) as server:
        guard = sqlite3.connect(directory.guard_path)
        with guard:
            guard.execute("UPDATE guard SET size = 7")
        guard.close()
        connection = server.connect()
        connection.request("POST", "/v1/entries", receipt("r"), {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["code"]) == (503, "UNAVAILABLE")
        connection.close()
        assert server.process.wait(20) == 1
        assert server.process.stderr is not None
        lines = server.process.stderr.read().decode().splitlines()
    assert lines[0].startswith("error: GUARD_MISMATCH")
    assert lines[1].startswith("hint: ")
    assert len(lines) == 2


def test_sighup_reads_the_trust_policy_again(tmp_path: Path) -> None:
    directory = make_log_directory(tmp_path / "log")
    text = directory.trust_path.read_text()
    with running(directory.path) as server:
        connection = server.connect()

        def code(name: str) -> str | None:
            connection.request("POST", "/v1/entries", receipt(name), {"Content-Type": "application/json"})
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer.get("code")

        assert code("a") is None
        for trust, expected in [("broken =", None), (text.replace("did:key:", "did:kex:"), None), ("", None)]:
            directory.trust_path.write_text(trust)
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.2)
            assert code(f"after {len(trust)}") == expected
        directory.trust_path.write_text(
            "\n".join("gateways = []" if line.startswith("gateways") else line for line in text.splitlines())
        )
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert code("z") == "SIGNER_NOT_TRUSTED"
        connection.close()
