"""The verifier as one file: the same bytes from the same sources, and the same exit codes, where trustlog is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.verifier.biglog import write_big_log
from tests.verifier.changebuilder import Change, trust_toml
from tests.waiting import PATIENCE_S
from verifier.limits import PARALLEL_ENTRIES
from verifier.single_file import build_archive

ROOT = Path(__file__).resolve().parents[2]
BLOCK = (
    "import sys, runpy\n"
    "class Block:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.split('.')[0] in %r:\n"
    "            raise ModuleNotFoundError('no ' + name, name=name)\n"
    "sys.meta_path.insert(0, Block())\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    target = tmp_path / "trustlog-verify.pyz"
    command = [sys.executable, "-m", "verifier.single_file", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S, check=True)
    assert done.stdout.endswith(f"  {target}\n")
    return target


def run(
    archive: Path, *arguments: str, without: tuple[str, ...] = ("trustlog", "msgspec", "aiohttp")
) -> tuple[int, str, str]:
    command = [sys.executable, "-P", "-c", BLOCK % (without,), str(archive), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=archive.parent, env={}, timeout=PATIENCE_S, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("skip", "code"), [(set(), 0), ({"approve_execute_2"}, 1), ({"closure"}, 3)])
def test_it_judges_and_exits_by_the_verdict(archive: Path, skip: set[str], code: int) -> None:
    """An archive whose main function's result is dropped would say FAIL and exit with 0."""
    (archive.parent / "pack.json").write_bytes(Change(skip=skip).build().pack_bytes())
    (archive.parent / "trust.toml").write_bytes(trust_toml())
    arguments = ["evidence", "pack.json", "--trust", "trust.toml", "--at", "2026-03-02", "--report", "out.html"]
    found, out, err = run(archive, *arguments)
    assert (found, err) == (code, "")
    assert out.startswith({0: "PASS", 1: "FAIL", 3: "UNDECIDED"}[code])
    assert (archive.parent / "out.html").exists()


def test_usage_and_help(archive: Path) -> None:
    assert run(archive, "evidence")[0] == 2
    code, out, _ = run(archive, "--help")
    assert code == 0
    assert "python3 -m verifier.single_file" in out


@pytest.mark.parametrize("missing", ["nacl", "rfc8785"])
def test_what_it_needs_beside_it_is_named(archive: Path, missing: str) -> None:
    code, _, err = run(archive, "evidence", "p", "--trust", "t", without=(missing,))
    assert code == 2
    assert err.startswith("error: the verifier needs pynacl and rfc8785")
    assert missing in err


def test_the_same_sources_give_the_same_bytes(archive: Path) -> None:
    assert archive.read_bytes() == build_archive() == build_archive()


def test_nothing_is_overwritten(archive: Path) -> None:
    command = [sys.executable, "-m", "verifier.single_file", str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


def test_its_worker_processes_find_themselves_in_the_archive(archive: Path) -> None:
    write_big_log(archive.parent / "log", PARALLEL_ENTRIES + 17)
    (archive.parent / "trust.toml").write_bytes(trust_toml())
    arguments = ["log", "log", "--trust", "trust.toml", "--entries", "--workers", "2", "--json"]
    command = [sys.executable, "-P", str(archive), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=archive.parent, env={}, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["status"] == "PASS"
