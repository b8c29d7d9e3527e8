"""The programs of others under ``tests/outside``: built here, from modules that are on this machine already."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_S

OUTSIDE = Path(__file__).resolve().parents[2] / "outside"
BUILD_TIMEOUT_S = 900  # on a machine that has compiled nothing yet


@dataclass(frozen=True)
class Checker:
    """A program that is given a verifier key, and a directory or a URL."""

    program: Path

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    def accept(self, *arguments: str | Path) -> str:
        """Run it; it must find everything right. What it printed."""
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def refuse(self, *arguments: str | Path) -> str:
        """Run it; it must find something wrong. What it found."""
        ended = self.run(*arguments)
        assert ended.returncode == 1, (ended.returncode, ended.stdout, ended.stderr)
        _, fail, found = ended.stderr.rpartition("FAIL: ")  # others may have said what they do
        assert fail, ended.stderr
        return found


def build(name: str, directory: Path) -> Checker:
    """Build ``tests/outside/NAME`` into `directory`; skips where Go, a recent enough one, or a module is missing."""
    source = OUTSIDE / name
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not on this machine")
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",  # no C compiler is needed
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    found = _version(subprocess.run([go, "version"], env=environment, capture_output=True, text=True, check=True).stdout)
    needed = _version((source / "go.mod").read_text())
    if found < needed:
        pytest.skip(f"{name} needs Go {needed[0]}.{needed[1]}, here is {found[0]}.{found[1]}")
    program = directory / name
    built = subprocess.run(
        [go, "build", "-o", program, "."],
        cwd=source,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    if "GOPROXY=off" in built.stderr:
        pytest.skip(f"the modules of {name} are not on this machine: go mod download in {source}")
    assert built.returncode == 0, built.stderr
    return Checker(program)


def _version(text: str) -> tuple[int, int]:
    """Of ``go version`` or of a ``go.mod``."""
    match = re.search(r"\bgo ?(\d+)\.(\d+)", text)
    assert match, text
    return int(match[1]), int(match[2])
