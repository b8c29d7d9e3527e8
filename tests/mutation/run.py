"""`python -m tests.mutation.run FILE…`: which changes of these files does no test notice?"""

from __future__ import annotations

import argparse
import gc
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import pytest

from tests.mutation.changes import Change, changes_of
from tests.mutation.explained import read_explained
from tests.mutation.inplace import Functions, clear_caches, is_noticed
from tests.mutation.remembered import remember_libraries
from tests.mutation.results import Result, Results
from tests.mutation.traced import Met, Nearest, tracing

ROOT = Path(__file__).resolve().parents[2]
FILES = ("verifier/change", "verifier/ledger", "verifier/records")
TESTS = "tests/verifier"
PASSED_OVER = (  # what runs commands, servers or workers, or takes long; nothing of it meets a rule first
    "adversary/test_logs.py",
    "adversary/test_web.py",
    "test_command_line.py",
    "test_adversary_table.py",
    "test_display.py",
    "test_fixtures.py",
    "test_flips.py",
    "test_html_report.py",
    "test_http.py",
    "test_interrupts.py",
    "test_json_fast_paths.py",
    "test_memory.py",
    "test_mldsa.py",
    "test_parallel.py",
    "test_properties.py",
    "test_resume.py",
    "test_single_file.py",
    "test_streams.py",
    "test_tessera.py",
    "test_web_proxy.py",
)


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Runner:
    """Runs the tests once, traced, and then those near to each change on it. A plugin of pytest."""

    changes: Sequence[Change]
    results: Results
    nearest: int | None
    folder: Path  # of the tests' temporary files
    killers: dict[tuple[str, str], Counter[int]] = field(default_factory=dict)  # of a function's changes, by file and name
    all_killers: Counter[int] = field(default_factory=Counter)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Takes the place of pytest's own loop."""
        _find_only()
        files = frozenset(change.file for change in self.changes)
        met = [self._trace(item, files) for item in session.items]
        if session.testsfailed:
            raise pytest.UsageError("a test fails on the verifier as it is")
        say(f"{len(met)} tests, {process_time():.0f} s; {len(self.changes)} changes")
        nearest, functions = Nearest(met, [item.nodeid for item in session.items]), Functions(ROOT, sorted(files))
        gc.collect()
        gc.freeze()  # forks share what is not touched
        for done, change in enumerate(self.changes, 1):
            if not self.results.was_noticed(change):
                self._try(change, session.items, nearest, functions)
            if done % 100 == 0:
                say(f"{done} of {len(self.changes)}: {self.results.lived} live, {process_time():.0f} s in this process")
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Says why a test fails on the verifier as it is."""
        if report.failed:
            say(f"{report.nodeid}: {report.longreprtext[-500:]}")

    def _trace(self, item: pytest.Item, files: frozenset[str]) -> Met:
        clear_caches()
        begun = process_time()
        with tracing(ROOT, files) as met:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        met.cpu_s = process_time() - begun
        return met

    def _try(self, change: Change, items: Sequence[pytest.Item], nearest: Nearest, functions: Functions) -> None:
        source = (ROOT / change.file).read_text("utf-8")
        near = nearest.to(change.file, change.place, change.text)
        killers = self.killers.setdefault((change.file, change.place.function), Counter())
        first = [test for test, _ in (*killers.most_common(3), *self.all_killers.most_common(12)) if test in near]
        tests = list(dict.fromkeys([*first, *near]))[: self.nearest]
        if self.results.has_lived(change, wanted=len(tests), of=len(near)):
            return
        if not tests:
            self.results.add(change, Result(noticed_by=None, ran=0, of=0))
            return
        try:
            patches = functions.patches(change, source)
        except Exception as error:  # noqa: BLE001 - whoever imports the module notices
            self.results.add(change, Result(noticed_by=f"import: {error}", ran=0, of=len(near)))
            return
        found = is_noticed(patches, [items[test] for test in tests], [nearest.met[test].cpu_s for test in tests])
        if not self.folder.is_dir():
            raise pytest.UsageError(f"{self.folder} is gone: tests fail for want of it, whatever is changed")
        if found is not None:
            killers[tests[found]] += 1
            self.all_killers[tests[found]] += 1
        by = None if found is None else items[tests[found]].nodeid
        self.results.add(change, Result(noticed_by=by, ran=len(tests) if found is None else found + 1, of=len(near)))


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.__stderr__, flush=True)


def changes_in(files: Sequence[str], *, sample: int | None = None, seed: int = 0) -> list[Change]:
    """The changes of files and folders, or some of them, chosen by a seed."""
    paths = [path for file in files for path in (sorted((ROOT / file).rglob("*.py")) or [ROOT / file])]
    changes = [change for path in paths for change in changes_of(ROOT, path.relative_to(ROOT).as_posix())]
    if sample is not None and sample < len(changes):
        chosen = sorted(random.Random(seed).sample(range(len(changes)), sample))  # noqa: S311 - a sample is no secret
        changes = [changes[position] for position in chosen]
    return changes


def run(changes: Sequence[Change], tests: Sequence[str], results: Results, *, nearest: int | None = None) -> int:
    """Run `tests` on each change. Returns pytest's exit code, which is 0 if the tests pass on the verifier as it is."""
    remember_libraries()
    ignored = [] if tests else [f"--ignore={TESTS}/{name}" for name in PASSED_OVER]
    options = ["-q", "--capture=sys", "-n", "0", "-p", "no:randomly", "-p", "no:cacheprovider", "-o", "timeout=0", *ignored]
    with TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as own:  # another pytest may clear pytest's
        folder = Path(own) / "pytest"
        folder.mkdir()
        options += [f"--basetemp={folder}", "-o", "tmp_path_retention_policy=none"]
        return int(pytest.main([*options, *(tests or [TESTS])], plugins=[Runner(changes, results, nearest, folder)]))


def _find_only() -> None:
    """Properties look for the same examples in every fork, and do not make what fails smaller."""
    import hypothesis  # noqa: PLC0415 - not before pytest, whose plugin of that name is to be rewritten

    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("noticing", phases=phases, derandomize=True, database=None, deadline=None)
    hypothesis.settings.load_profile("noticing")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exits 1 if a change lives that is not explained, 2 if the tests fail on the verifier as it is."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.run", description=__doc__)
    parser.add_argument("files", nargs="*", default=FILES, help="files or folders of the verifier")
    parser.add_argument("--tests", nargs="*", default=[], help="the tests to run; else those of tests/verifier")
    parser.add_argument("--sample", type=int, help="so many changes, chosen by --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nearest", type=int, help="at most so many tests for one change; else all that meet it")
    parser.add_argument("--results", type=Path, help="JSON lines; what stands in it is not run again")
    given = parser.parse_args(arguments)
    changes = changes_in(given.files, sample=given.sample, seed=given.seed)
    results = Results(given.results)
    if run(changes, given.tests, results, nearest=given.nearest) != 0:
        return 2
    explained = read_explained()
    living = [change for change in changes if results.of(change).noticed_by is None]
    unexplained = [change for change in living if change.name not in explained]
    for change in unexplained:
        say(f"{change.file}:{change.place.first_line} {change.place.function}: {change.text} #{change.number}")
    say(f"{len(changes)} changes, {len(living)} live, {len(unexplained)} of them not explained")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
