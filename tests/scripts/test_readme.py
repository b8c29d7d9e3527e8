"""The README's transcript is run as it stands, and its promises about itself hold."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripts.commands import PROJECT, kept_port
from tests.waiting import PATIENCE_S

README = (PROJECT / "README.md").read_text(encoding="utf-8")
MODULES = {"trustlog": "trustlog.cli", "trustlog-verify": "verifier"}
MAX_WORDS = 500


def transcript() -> list[tuple[str, str]]:
    """Every ``$ command`` of the console blocks with the output that is shown below it."""
    steps: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            steps.append((command, shown.rstrip("\n")))
    return steps


def as_pattern(shown: str) -> re.Pattern[str]:
    """What is shown, with ``…`` for anything: on a line by itself for any lines, within one for the rest of a word or line."""
    lines = [".*" if line == "…" else re.escape(line).replace("…", "[^\n]*") for line in shown.splitlines()]
    return re.compile("\n".join(lines), re.DOTALL)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The two commands on the path, the fixtures in place, and a home of its own."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, module in MODULES.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    (tmp_path / "fixtures").symlink_to(PROJECT / "fixtures")
    yield {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(PROJECT),
        "LANG": "C.UTF-8",
    }
    for pid in tmp_path.glob("*.pid"):
        os.kill(int(pid.read_text(encoding="ascii")), signal.SIGTERM)


def run_step(number: int, command: str, directory: Path, environment: dict[str, str]) -> tuple[int, str, str]:
    """Run one command as a shell would; a command in the background is waited for until it has said something."""
    out, err = directory / f"out.{number}", directory / f"err.{number}"
    if command.endswith("&"):
        started = f"{command[:-1]} >{out} 2>{err} & echo $! >{number}.pid"  # its own process: it is told to end afterwards
        command = f"{started}; until [ -s {out} ]; do sleep 0.05; done"
    else:
        command = f"{{ {command}; }} >{out} 2>{err}"
    ended = subprocess.run(["bash", "-c", command], cwd=directory, env=environment, timeout=PATIENCE_S, check=False)
    return ended.returncode, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")


def test_the_transcript_runs_and_shows_what_it_says(tmp_path: Path, environment: dict[str, str]) -> None:
    steps = transcript()
    assert len(steps) >= 8
    with kept_port() as free:
        port = str(free)
        for number, (command, shown) in enumerate(steps):
            code, out, err = run_step(number, command.replace("8080", port), tmp_path, environment)
            assert code == 0, (command, err)
            pattern = as_pattern(shown.replace("8080", port))
            assert pattern.fullmatch(out.rstrip("\n")), (command, shown, out)


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= MAX_WORDS


def test_every_file_and_folder_that_the_readme_names_exists() -> None:
    names = {
        name
        for name in re.findall(r"`([a-z]+/[A-Za-z_/.]+|verifier|fixtures)`|\]\(([A-Z]+\.md)\)", README)
        for name in name
        if name
    }
    assert names
    assert not [name for name in names if not (PROJECT / name).exists()]
