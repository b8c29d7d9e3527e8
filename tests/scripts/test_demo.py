"""``trustlog demo``: the first five minutes, as a new user has them."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.commands import Shell
from tests.waiting import PATIENCE_S

REFUSED = {
    "Closing with a bundle that nobody logged": "BUNDLE_NOT_LOGGED",
    "The same person approves twice": "APPROVAL_SAME_PERSON",
    "Executing a plan other than the approved one": "PLAN_MISMATCH",
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo that was played once and kept; ``answer.json`` is what it said."""
    place = tmp_path_factory.mktemp("demo")
    played = Shell(place).run("demo", "--exit", "--json", "--dir", "stage")
    assert played.code == 0, played
    (place / "answer.json").write_text(played.out, encoding="utf-8")
    return place


def verify(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier", *arguments]
    return subprocess.run(command, cwd=place, env=Shell(place).environment, capture_output=True, text=True, check=False)


def test_an_honest_change_passes_and_three_things_are_refused(kept: Path) -> None:
    answer = json.loads((kept / "answer.json").read_text(encoding="utf-8"))
    assert answer["verdict"]["status"] == "PASS"
    assert {one["title"]: one["reasons"][0] for one in answer["refusals"]} == REFUSED


def test_what_the_gate_attests_is_listed_as_not_proven(kept: Path) -> None:
    answer = json.loads((kept / "answer.json").read_text(encoding="utf-8"))
    assert any("attested by" in line for line in answer["verdict"]["not_proven"])


def test_the_verifier_refuses_a_demo_unless_told_otherwise(kept: Path) -> None:
    pack, trust = "stage/change.evidence.json", "stage/trust.toml"
    refused = verify(kept, "evidence", pack, "--trust", trust, "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["reason_code"] == "DEMO_ORIGIN_REFUSED"


def test_secrets_are_written_for_the_owner_alone(kept: Path) -> None:
    secrets = [*(kept / "stage" / "keys").iterdir(), *(kept / "stage").glob("*.token")]
    assert len(secrets) == 12
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}


def test_a_directory_that_exists_is_left_alone(kept: Path) -> None:
    Shell(kept).run("demo", "--exit", "--dir", "stage").check_error("INPUT_UNREADABLE", 2)


def test_it_serves_on_and_every_command_that_it_suggests_works_as_pasted(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    command = [sys.executable, "-m", "trustlog.cli", "demo", "--dir", "stage"]
    demo = subprocess.Popen(
        command, cwd=tmp_path, env=shell.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert demo.stderr is not None
    try:
        suggested: list[str] = []
        while not suggested or "curl" not in suggested[-1]:
            suggested.append(demo.stderr.readline().strip())
            assert suggested[-1] or demo.poll() is None
        pasted = [line for line in suggested if line.startswith((sys.executable, "curl"))]
        codes = [
            subprocess.run(
                shlex.split(line), cwd=tmp_path, env=shell.environment, capture_output=True, check=False
            ).returncode
            for line in pasted
        ]
    finally:
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=PATIENCE_S)
    assert codes == [0, 0, 0, 1, 0, 0], pasted  # the fourth asks the gate for what it denies
    assert (demo.returncode, "Traceback" in err) == (0, False), out
