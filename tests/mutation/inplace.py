"""A change of functions, tables or schemas: the live ones are changed, in a fork, and tests run on."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.mutation.changes import Change

_CPU_S, _CPU_TIMES = 2, 5  # and so many times what it took traced: a change that makes a test run longer has been noticed
_WALL_S = 300  # of one test: it may also wait for ever
_BYTES = 8 << 30
Patch = tuple[object, str, Any]  # a thing, its member, and what the member becomes


class Functions:
    """The live functions of some files."""

    def __init__(self, root: Path, files: Sequence[str]) -> None:
        self._root = root
        paths = {str(root / file) for file in files}
        self._live: dict[tuple[str, str, int], list[FunctionType]] = {}
        for item in gc.get_objects():
            if isinstance(item, FunctionType) and item.__code__.co_filename in paths:
                code = item.__code__
                self._live.setdefault((code.co_filename, code.co_qualname, code.co_firstlineno), []).append(item)

    def patches(self, change: Change, source: str) -> list[Patch]:
        """What becomes of live functions, tables and schemas. Raises whatever the changed module raises when it is run."""
        if not change.place.is_called:
            return self._of_module(change, source)
        path = str(self._root / change.file)
        old = _codes(compile(source, path, "exec"))
        new = _codes(compile(change.tree(source), path, "exec"))
        result: list[Patch] = []
        for (name, line), codes in old.items():
            changed = new.get((name, line), [])
            if len(codes) != len(changed):
                continue  # a nested function that is dropped with what is around it
            for before, after in zip(codes, changed, strict=True):
                if before != after:
                    live = self._live.get((path, name, line), [])
                    result += [(function, "__code__", after) for function in live if function.__code__ == before]
        return result

    def _of_module(self, change: Change, source: str) -> list[Patch]:
        """The module's tables, wherever they were imported, and the schemas that were made with them.

        They come from a twin of the module, which is run with the change and belongs to nobody.
        """
        name = change.file.removesuffix(".py").replace("/", ".")
        twin = ModuleType(name)
        exec(compile(change.tree(source), str(self._root / change.file), "exec"), vars(twin))  # noqa: S102 - our own code
        result: list[Patch] = []
        for variable, live in vars(sys.modules[name]).items():
            changed = getattr(twin, variable, None)
            if isinstance(live, type):
                if live.__module__ == name and is_dataclass(live):
                    result += [(live, member, getattr(changed, member)) for member in ("__dataclass_fields__", "__init__")]
            elif _is_table(variable, live) and changed is not live:
                result += [(module, variable, changed) for module in _importing(variable, live)]
        return result


def _is_table(variable: str, value: object) -> bool:
    """Whether a module's name stands for a value that it made: a table, a number, or a rule that a function returned."""
    is_defined = isinstance(value, FunctionType) and value.__name__ == variable
    return not is_defined and not isinstance(value, ModuleType) and not variable.startswith("__")


def _importing(variable: str, value: object) -> list[ModuleType]:
    """The modules of the verifier and its tests that have `value` under this name."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in ("verifier", "tests")]
    return [module for module in modules if vars(module).get(variable) is value]


def _codes(code: CodeType) -> dict[tuple[str, int], list[CodeType]]:
    result: dict[tuple[str, int], list[CodeType]] = {}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            result.setdefault((constant.co_qualname, constant.co_firstlineno), []).append(constant)
            for key, nested in _codes(constant).items():
                result.setdefault(key, []).extend(nested)
    return result


def is_noticed(patches: Sequence[Patch], tests: Sequence[pytest.Item], cpu_s: Sequence[float]) -> int | None:
    """The position of the first test that fails with the changed code, or None if all pass.

    `cpu_s` are the seconds that each took on the code as it is.
    """

    def run(say: Callable[[int], None]) -> None:
        clear_caches()
        for thing, member, value in patches:
            setattr(thing, member, value)
        failed: list[str] = []
        watch = _Watch(failed)
        tests[0].config.pluginmanager.register(watch)
        for position, test in enumerate(tests):
            say(position)
            signal.alarm(_WALL_S)
            signal.setitimer(signal.ITIMER_VIRTUAL, _CPU_S + _CPU_TIMES * cpu_s[position])
            test.config.hook.pytest_runtest_protocol(item=test, nextitem=None)
            if failed:
                os._exit(1)

    return _first_failure(run)


class _Watch:
    def __init__(self, failed: list[str]) -> None:
        self._failed = failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.append(report.nodeid)


def _first_failure(run: Callable[[Callable[[int], None]], None]) -> int | None:
    """Run in a fork that says which test it comes to; the last one that it said if it does not end well, else None."""
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _run_and_exit(run, write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().split()
    _, status = os.waitpid(child, 0)
    if status == 0:
        return None
    return int(said[-1]) if said else 0


def _run_and_exit(run: Callable[[Callable[[int], None]], None], write: int) -> None:
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
        for name in (signal.SIGALRM, signal.SIGVTALRM):
            signal.signal(name, signal.SIG_DFL)
        run(lambda position: _write(write, position))
    except BaseException:  # noqa: BLE001 - whatever a changed function raises, it has been noticed
        os._exit(1)
    os._exit(0)


def _write(pipe: int, position: int) -> None:
    os.write(pipe, f"{position}\n".encode())


def clear_caches() -> None:
    """Forget what functions of the verifier remember."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "verifier":
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
