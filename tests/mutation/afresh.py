"""A change outside functions: a process that has not imported the verifier imports it with the change, and runs tests.

The process is forked before anything of the verifier is imported; it knows pytest and the libraries, and forks for each change.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, ModuleType
from typing import cast

import pytest

from tests.mutation.changes import Change
from tests.mutation.inplace import first_failure


class Afresh:
    """The process that runs tests on a changed verifier."""

    def __init__(self, root: Path) -> None:
        assert not any(name.partition(".")[0] == "verifier" for name in sys.modules), (
            "forked before the verifier is imported"
        )
        self._here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_serve, args=(there, self._here, root), daemon=True)
        self._process.start()
        there.close()

    def is_noticed(self, change: Change, tests: Sequence[str], source: str) -> int | None:
        """The position of the first of `tests`, named as pytest names them, that fails with the change, or None."""
        self._here.send((change.file, ast.unparse(change.tree(source)), tuple(tests)))
        return cast("int | None", self._here.recv())

    def close(self) -> None:
        """End the process."""
        self._here.close()
        self._process.join()


def _serve(pipe: Connection, other_end: Connection, root: Path) -> None:
    importlib.import_module("hypothesis")  # once, and not in every fork
    other_end.close()  # so that this ends with its parent, however that ends
    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            return
        file, source, tests = asked
        pipe.send(first_failure(_running(root, file, source, tests)))


def _running(root: Path, file: str, source: str, tests: tuple[str, ...]) -> Callable[[Callable[[int], None]], None]:
    def run(say: Callable[[int], None]) -> None:
        sys.meta_path.insert(0, _Changed(root, file, source))
        by_test = {test: position for position, test in enumerate(tests)}
        options = ["-q", "-x", "-s", "-n", "0", "-p", "no:randomly", "-p", "no:cacheprovider", "--rootdir", str(root)]
        options += ["--assert=plain", "-W", "ignore::pytest.PytestAssertRewriteWarning", "-o", "timeout=0"]
        if pytest.main([*options, *tests], plugins=[_Saying(by_test, say)]) != 0:
            raise AssertionError("noticed")

    return run


class _Saying:
    def __init__(self, by_test: dict[str, int], say: Callable[[int], None]) -> None:
        self._by_test, self._say = by_test, say

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self._by_test.get(item.nodeid, 0))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._say(self._by_test.get(item.nodeid, 0))


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports one module from its changed source."""

    def __init__(self, root: Path, file: str, source: str) -> None:
        self._path, self._source = str(root / file), source
        self._name = file.removesuffix(".py").replace("/", ".")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = importlib.util.spec_from_loader(fullname, self, origin=self._path)
        if spec is not None:
            spec.has_location = True
        return spec

    def get_source(self, fullname: str) -> str:
        return self._source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self._path, "exec")
