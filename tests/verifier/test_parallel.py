"""Many workers say what one says; a worker that dies is a verdict, and nobody stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.biglog import RECEIPTS, TRUST, write_big_log
from tests.waiting import PATIENCE_S, children_of, is_alive, wait_until
from verifier import limits, workers
from verifier.cli import main
from verifier.edge import RightEdge
from verifier.errors import Unavailable
from verifier.reading import Look, Plan
from verifier.scan import scan_log
from verifier.source import DirectorySource
from verifier.tree import compute_root, hash_leaf

SIZE = 256 * 40 + 17


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parallel") / "log"
    write_big_log(folder, SIZE)
    return folder


@pytest.fixture(autouse=True)
def always_parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PARALLEL_ENTRIES", 0)
    monkeypatch.setattr(limits, "PARALLEL_DEEP_ENTRIES", 0)


def check(log: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    trust = log.parent / "trust.toml"
    trust.write_bytes(TRUST)
    code = main(["log", str(log), "--trust", str(trust), "--json", *arguments])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, report


@pytest.mark.parametrize("depth", ["--any-entries", "--entries", "--deep"])
def test_one_worker_and_several_report_the_same(log: Path, capsys: pytest.CaptureFixture[str], depth: str) -> None:
    alone = check(log, capsys, depth, "--workers", "1")
    assert check(log, capsys, depth, "--workers", "3") == alone
    assert alone[0] == (3 if depth == "--deep" else 0), "the payloads of most receipts are not there"
    if depth == "--deep":
        assert any(f"altogether {SIZE - RECEIPTS} payloads" in (found["found"] or "") for found in alone[1]["checks"])


@pytest.fixture
def spoil(log: Path) -> Iterator[Callable[[str], None]]:
    kept: dict[Path, bytes] = {}

    def flip(name: str) -> None:
        path = log / name
        kept[path] = data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    yield flip
    for path, data in kept.items():
        path.write_bytes(data)


@pytest.mark.parametrize("name", ["tile/entries/020", "tile/0/039", "tile/0/040.p/17", "tile/1/000.p/40"])
def test_what_a_worker_finds_is_the_verdict(
    log: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[str], None], name: str
) -> None:
    spoil(name)
    alone = check(log, capsys, "--workers", "1")
    assert (alone[0], alone[1]["reason_code"]) == (1, "TILE_INVALID")
    assert check(log, capsys, "--workers", "2") == alone


def test_of_two_faults_the_first_in_the_log_is_told(
    log: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[str], None]
) -> None:
    spoil("tile/0/038")
    spoil("tile/0/001")
    _, report = check(log, capsys, "--workers", "2")
    assert "tile/0/001" in report["reason"]


def die(_: range) -> None:
    os._exit(9)


def test_a_worker_that_dies_is_undecided(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_read", die)
    code, report = check(log, capsys, "--workers", "2")
    assert (code, report["reason_code"]) == (3, "LOG_UNREACHABLE")
    assert "worker" in report["reason"]


def test_a_worker_that_never_answers_is_undecided(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WORKER_S", 0.5)
    monkeypatch.setattr(workers, "_read", time.sleep)
    plan = Plan(str(log), SIZE, Look())
    hours = iter([3600])  # a range, as far as the pool knows: what `_read` is given
    with pytest.raises(Unavailable, match="worker processes"):
        list(workers.read_ranges(DirectorySource(str(log)), plan, hours, workers=2))  # type: ignore[arg-type]


def linger(_: range) -> None:
    time.sleep(3600)


LINGERING = """
import sys
from tests.verifier.test_parallel import linger
from verifier import limits, workers
from verifier.cli import main
limits.PARALLEL_DEEP_ENTRIES, workers._read = 0, linger
sys.exit(main())
"""  # however slow this machine is, the signal comes before the end


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(log: Path, how: signal.Signals) -> None:
    (log.parent / "trust.toml").write_bytes(TRUST)
    arguments = ["log", str(log), "--trust", str(log.parent / "trust.toml"), "--deep", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", LINGERING, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert wait_until(lambda: len(children_of(process.pid)) >= 2 or process.poll() is not None)
    family = children_of(process.pid)
    assert len(family) >= 2, "the workers were met"
    process.send_signal(how)
    _, said = process.communicate(timeout=PATIENCE_S)
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert b"interrupted" in said
    assert wait_until(lambda: not any(map(is_alive, family)))


def test_a_number_of_workers_that_is_none_is_refused(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("0", "-1", "257"):
        assert check(log, capsys, "--workers", number)[0] == 2


# --- the right edge


@pytest.mark.parametrize("size", [256, 512, 256 * 255, 256 * 256, 256 * 257])
def test_an_edge_gives_the_root_and_can_be_written_down(size: int) -> None:
    leaf = hash_leaf(b"leaf")
    subtree = compute_root([leaf] * 256)
    edge = RightEdge()
    for _ in range(size // 256):
        for tile, data in edge.append(subtree):
            assert len(data) == tile.width * 32
    again = RightEdge(edge.rows)
    assert (again.size, edge.size) == (size, size)
    tail = leaf * 3
    assert again.root_with(tail) == edge.root_with(tail) == compute_root([leaf] * (size + 3))


def test_roots_and_leaf_hashes_that_are_wanted_are_the_same_from_workers(log: Path) -> None:
    source = DirectorySource(str(log))
    sizes, indexes = [1, 255, 256, 257, SIZE - 1, SIZE], [0, 255, 256, SIZE - 1]
    alone = scan_log(source, SIZE, sizes=sizes, indexes=indexes)
    together = scan_log(source, SIZE, sizes=sizes, indexes=indexes, workers=2)
    assert (alone.roots, alone.leaf_hashes, alone.root) == (together.roots, together.leaf_hashes, together.root)
    assert sorted(alone.roots) == sizes
    assert sorted(alone.leaf_hashes) == indexes
