"""Fuzz the verifier's parsers: `python -m tests.fuzz.run --seconds 600 [--target NAME]`.

With atheris each target is fuzzed by libFuzzer, guided by coverage, in a process of its own; without it, or with
`--plain`, by random mutations of the seeds. The time is for all targets together. Prints a line a target and exits 1 if any
input was a defect; that input is left in the folder that is named.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

INPUT_TIMEOUT_S = 300  # one input: a hang. None of these parsers is slower than linear
MEMORY_MB = 2048
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


class Outcome(NamedTuple):
    """What became of one target: inputs tried, and what was found wrong, if anything."""

    executions: int
    defect: str | None


def main() -> int:
    """Fuzz every chosen target for its share of the time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together (default: 60)")
    parser.add_argument("--target", action="append", help="only this one; may be given again")
    parser.add_argument("--plain", action="store_true", help="random mutations, even if atheris is installed")
    options = parser.parse_args()
    guided = not options.plain and importlib.util.find_spec("atheris") is not None
    targets = import_targets(instrumented=guided)
    unknown = set(options.target or ()) - set(targets)
    if unknown:
        parser.error(f"no target {min(unknown)}; there are {', '.join(targets)}")
    names = options.target or list(targets)
    fuzz = fuzz_guided if guided else fuzz_plainly
    outcomes = []
    for name in names:
        outcome = fuzz(name, options.seconds / len(names))
        sys.stdout.write(f"{name:14} {outcome.executions:>10} inputs   {outcome.defect or 'no defect'}\n")
        sys.stdout.flush()
        outcomes.append(outcome)
    how = "guided by coverage" if guided else "random mutations"
    defects = sum(outcome.defect is not None for outcome in outcomes)
    sys.stdout.write(f"{sum(outcome.executions for outcome in outcomes)} inputs, {how}; {defects} targets with a defect\n")
    return 1 if defects else 0


def import_targets(*, instrumented: bool) -> Mapping[str, Target]:
    """The targets; `instrumented` so that atheris sees which branches of the verifier an input takes."""
    if instrumented:
        with importlib.import_module("atheris").instrument_imports(include=["verifier"]):
            from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - imported under the instrumentation
    else:
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415
    return TARGETS


def fuzz_plainly(name: str, seconds: float, *, limit: int | None = None, seed: int = 0) -> Outcome:
    """Random mutations of a target's seeds for some seconds of this thread, or `limit` inputs."""
    from tests.fuzz.mutation import mutate  # noqa: PLC0415
    from tests.fuzz.targets import TARGETS, all_seeds  # noqa: PLC0415

    target, seeds, random = TARGETS[name], all_seeds(name), Random(seed)  # noqa: S311 - reproducible
    until, count = time.thread_time() + seconds, 0
    while time.thread_time() < until and (limit is None or count < limit):
        data = mutate(random.choice(seeds), random, others=seeds, max_bytes=target.max_bytes)
        count += 1
        try:
            target(data)
        except Exception as error:  # noqa: BLE001 - whatever escapes is the finding
            return Outcome(count, f"{type(error).__name__} on {data[:200]!r}")
    return Outcome(count, None)


def fuzz_guided(name: str, seconds: float) -> Outcome:
    """libFuzzer over a target for some seconds. It ends its process, so it has one of its own: a fork of this."""
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    child = os.fork()
    if child == 0:
        _become_fuzzer(name, seconds, folder)
    _, status = os.waitpid(child, 0)
    output = (folder / "output").read_text(errors="replace")
    executed = _EXECUTED.search(output)
    count = int(executed[1]) if executed else 0
    if status != 0 or count == 0:
        return Outcome(count, f"exit {os.waitstatus_to_exitcode(status)}, see {folder}")
    shutil.rmtree(folder)
    return Outcome(count, None)


def _become_fuzzer(name: str, seconds: float, folder: Path) -> NoReturn:
    from tests.fuzz.targets import TARGETS, all_seeds  # noqa: PLC0415

    output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    target, corpus = TARGETS[name], folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(all_seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    arguments = [
        "fuzz",
        f"-max_total_time={max(1, round(seconds))}",
        f"-timeout={INPUT_TIMEOUT_S}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-max_len={target.max_bytes}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        str(corpus),
    ]

    def run(data: bytes) -> None:
        target(data)

    try:
        atheris = importlib.import_module("atheris")
        atheris.Setup(arguments, run)
        atheris.Fuzz()
    finally:
        os._exit(70)  # the fuzzer itself ends the process with 0


if __name__ == "__main__":
    raise SystemExit(main())
