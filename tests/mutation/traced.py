"""Which tests run which lines of which files, and which schemas they decode."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from tests.mutation.changes import Place

_DECODE = "decode"  # of verifier.schema: its first argument is the schema


@dataclass(slots=True)
class Met:
    """What one test met: lines as (file, line), schemas by (file, qualified name). It passed alone, in `cpu_s` seconds."""

    lines: set[tuple[str, int]] = field(default_factory=set)
    schemas: set[tuple[str, str]] = field(default_factory=set)
    cpu_s: float = 0


@contextmanager
def tracing(root: Path, files: frozenset[str]) -> Iterator[Met]:
    """Record what runs of `files`, which are named from `root`."""
    met = Met()
    named = {str(root / file): file for file in files}
    schema = str(root / "verifier/schema.py")

    def enter(frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        code = frame.f_code
        if code.co_filename == schema and code.co_name == _DECODE:
            _note_schema(frame.f_locals["schema"], root, met)
        file = named.get(code.co_filename)
        if file is None:
            return None
        lines = met.lines

        def step(frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
            if event == "line":
                lines.add((file, frame.f_lineno))
            return step

        lines.add((file, frame.f_lineno))
        return step

    sys.settrace(enter)
    try:
        yield met
    finally:
        sys.settrace(None)


def _note_schema(schema: type[object], root: Path, met: Met) -> None:
    for cls in schema.__mro__[:-1]:
        file = sys.modules[cls.__module__].__file__ or ""
        met.schemas.add((file.removeprefix(f"{root}/"), cls.__qualname__))


@dataclass(frozen=True, slots=True)
class Nearest:
    """The tests that meet a place, nearest first: those that run what few others run, and whose names speak of it."""

    met: list[Met]
    names: list[str]

    def to(self, file: str, place: Place, text: str) -> list[int]:
        """The positions of the tests that meet `place`: the two that run least, then by what is close, the file and `text`."""
        if place.is_called:
            wanted = {(file, line) for line in range(place.first_line, place.last_line + 1)}
            tests = [test for test, met in enumerate(self.met) if not wanted.isdisjoint(met.lines)]
        else:
            schema = (file, place.function)
            tests = [test for test, met in enumerate(self.met) if schema in met.schemas]
            if not tests:  # a table or constant: whatever meets its file may meet it
                met_in = [{name for name, _ in (*met.lines, *met.schemas)} for met in self.met]
                tests = [test for test, files in enumerate(met_in) if file in files]
        size = {test: len(self.met[test].lines) for test in tests}
        quick = sorted(tests, key=lambda test: (size[test], test))[:2]
        close = range(place.first_line - 15, place.last_line + 16)
        in_file = {line for test in tests for line in self.met[test].lines if line[0] == file}
        orders = [self._by_rarity(tests, lines) for lines in ({item for item in in_file if item[1] in close}, in_file)]
        orders.append(self._by_words(tests, f"{place.function} {text}"))
        return list(dict.fromkeys([*quick, *(test for turn in zip(*orders, strict=True) for test in turn)]))

    def _by_rarity(self, tests: list[int], lines: set[tuple[str, int]]) -> list[int]:
        """Those first that run what few others of them run."""
        runs = {test: self.met[test].lines & lines for test in tests}
        often = Counter(line for ran in runs.values() for line in ran)
        score = {test: sum(1 / often[line] for line in sorted(ran)) for test, ran in runs.items()}
        return sorted(tests, key=lambda test: (-score[test], len(self.met[test].lines), test))

    def _by_words(self, tests: list[int], text: str) -> list[int]:
        """Those first whose names share the rarest words with a text."""
        words = {word[:6] for word in re.findall("[a-z]{4,}", text.lower())}
        shared = {test: {word for word in words if word in self.names[test].lower()} for test in tests}
        often = Counter(word for found in shared.values() for word in found)
        score = {test: sum(1 / often[word] for word in sorted(found)) for test, found in shared.items()}
        return sorted(tests, key=lambda test: (-score[test], len(self.met[test].lines), test))
