"""The independent verifier, asked in a process of its own: its exit code and its JSON are all that is known of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import trustlog
from trustlog.cli.answer import FAIL, PASS, UNDECIDED, USAGE
from trustlog.errors import Fatal

EXIT_CODES: Final = {"PASS": PASS, "FAIL": FAIL, "ERROR": USAGE, "UNDECIDED": UNDECIDED}
TIMEOUT_S: Final = 300.0  # a pack at its bounds takes a minute
DEMO_SUFFIX: Final = "/demo"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier says; `document` is its JSON."""

    status: str
    document: Mapping[str, Any]

    @property
    def exit_code(self) -> int:
        """The exit code that goes with the status."""
        return EXIT_CODES[self.status]

    def lines(self) -> list[str]:
        """The verdict for people: first what it is and why, then what is not proven."""
        reason = f"{self.status}: {self.document['reason_code']}: {self.document['reason']}"
        open_points = self.document["not_proven"]
        return [reason, *(["not proven:"] if open_points else []), *(f"  {line}" for line in open_points)]


def find_verifier() -> Path | None:
    """The directory in which the verifier stands beside this package; None where it is not installed."""
    beside = Path(trustlog.__file__).resolve().parent.parent
    return beside if (beside / "verifier" / "__main__.py").is_file() else None


def judge_pack(pack: bytes, trust: bytes, *, beside: Path, origin: str) -> Verdict:
    """What the verifier in `beside` says of an evidence pack under a trust policy. A demo's origin is accepted.

    Raises Fatal(INTERNAL_ERROR) where it does not answer as documented.
    """
    with tempfile.TemporaryDirectory(prefix="trustlog-") as place:
        pack_path, trust_path = Path(place, "change.evidence.json"), Path(place, "trust.toml")
        pack_path.write_bytes(pack)
        trust_path.write_bytes(trust)
        command = [sys.executable, "-P", "-m", "verifier", "evidence", str(pack_path), "--trust", str(trust_path), "--json"]
        if origin.endswith(DEMO_SUFFIX):
            command.append("--allow-demo")
        paths = [str(beside), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        try:
            ended = subprocess.run(  # noqa: S603 (our own interpreter, no shell)
                command, cwd=place, env=environment, capture_output=True, timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise _failed(type(error).__name__) from None
    return _read(ended.returncode, ended.stdout)


def _read(exit_code: int, output: bytes) -> Verdict:
    try:
        document = json.loads(output)
        verdict = Verdict(document["status"], document)
        agrees = verdict.exit_code == exit_code
        verdict.lines()
    except (ValueError, KeyError, TypeError):
        raise _failed(f"exit code {exit_code} and no verdict") from None
    if not agrees:
        raise _failed(f"exit code {exit_code} with status {verdict.status}")
    return verdict


def _failed(found: str) -> Fatal:
    return Fatal("INTERNAL_ERROR", "the verifier gave no verdict", expected="a verdict in JSON", found=found)
