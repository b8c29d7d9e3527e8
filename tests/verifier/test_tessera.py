"""The Tessera test log: all 15 entries and all 16 checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.verifier.vectors import VECTORS, needs_vectors
from verifier.cli import main

LOG = VECTORS / "tessera_testlog/testdata/log"
TRUST = """
allow_unwitnessed = true
[log]
policy = '''
log example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx
quorum none
'''
"""


@pytest.fixture
def trust(tmp_path: Path) -> str:
    path = tmp_path / "trust.toml"
    path.write_text(TRUST)
    return str(path)


def at_size(folder: Path, size: int) -> str:
    """The log as it was at a size: its checkpoint, and its tiles."""
    folder.mkdir()
    (folder / "tile").symlink_to(LOG / "tile")
    (folder / "checkpoint").write_bytes((LOG / f"checkpoint.{size}").read_bytes())
    return str(folder)


@needs_vectors
@pytest.mark.parametrize("size", range(16))
def test_the_log_at_every_size(size: int, tmp_path: Path, trust: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = at_size(tmp_path / "log", size)
    assert main(["log", folder, "--trust", trust, "--any-entries", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert f"{size} entries lead to the signed root" in [check["found"] for check in report["checks"]]


@needs_vectors
@pytest.mark.parametrize("old", range(16))
def test_every_checkpoint_continues_every_earlier_one(old: int, trust: str) -> None:
    for new in range(old, 16):
        arguments = [str(LOG / f"checkpoint.{old}"), str(LOG / f"checkpoint.{new}"), "--log", str(LOG)]
        assert main(["consistency", *arguments, "--trust", trust]) == 0


@needs_vectors
def test_its_entries_are_not_trustlog_entries(trust: str) -> None:
    assert main(["log", str(LOG), "--trust", trust, "--entries"]) == 1


@needs_vectors
def test_an_older_checkpoint_does_not_continue_a_newer_one(trust: str, tmp_path: Path) -> None:
    folder = at_size(tmp_path / "log", 7)
    since = str(LOG / "checkpoint.15")
    assert main(["log", folder, "--trust", trust, "--any-entries", "--since", since]) == 1
