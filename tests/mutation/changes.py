"""The changes of one file: where each stands, how it is told, and the file's syntax tree with it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.operators import Edit, edits

_WORDED = {"Refused", "refuse"}  # calls whose texts people read; the first argument of the first is a reason code
_FINDINGS = {"passed", "failed", "refused", "undecided", "absent", "unavailable", "check_absent"}


@dataclass(frozen=True, slots=True)
class Place:
    """A node by its number in the order of `ast.walk`, and what it stands in.

    `function` is the qualified name of the outermost function or of the class around it, or of the module's variable;
    `is_called` says that it is within a function's body, so that it is met when that runs and not on import.
    """

    node: int
    first_line: int
    last_line: int
    function: str
    is_called: bool
    words: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `name` tells it apart within its file for as long as the changed function stays as it is."""

    file: str
    place: Place
    text: str
    number: int  # among the changes of the function with one text, from 0
    edit: Edit

    @property
    def name(self) -> tuple[str, str, str, int]:
        """File, function, text and number."""
        return self.file, self.place.function, self.text, self.number

    def tree(self, source: str) -> ast.Module:
        """The changed syntax tree, with the lines of the source."""
        tree = ast.parse(source)
        old = list(ast.walk(tree))[self.place.node]
        new = ast.copy_location(self.edit(old), old)
        if new is not old:
            _Replacing(old, new).visit(tree)
        return ast.fix_missing_locations(tree)


class _Replacing(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else self.generic_visit(node)


def changes_of(root: Path, file: str) -> list[Change]:
    """Every change of a file under `root`, in the order of its lines."""
    tree = ast.parse((root / file).read_text("utf-8"))
    nodes = list(ast.walk(tree))
    numbers = {id(node): number for number, node in enumerate(nodes)}
    met: Counter[tuple[str, str]] = Counter()
    result = []
    for place in _places(tree, numbers, _Around()):
        for text, edit in edits(nodes[place.node], words=place.words):
            key = (place.function, text)
            result.append(Change(file, place, text, met[key], edit))
            met[key] += 1
    return result


@dataclass(frozen=True, slots=True)
class _Around:
    function: str = ""
    is_called: bool = False
    words: bool = False


def _places(node: ast.AST, numbers: dict[int, int], around: _Around) -> Iterator[Place]:
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_passed_over(node, name, child):
                yield from _place(child, numbers, _within(node, name, child, around))


def _place(node: ast.AST, numbers: dict[int, int], around: _Around) -> Iterator[Place]:
    if isinstance(node, ast.expr | ast.stmt | ast.comprehension):
        spanned = node.iter if isinstance(node, ast.comprehension) else node
        first, last = spanned.lineno, spanned.end_lineno or spanned.lineno
        if isinstance(node, ast.comprehension):
            last = max([last, *(test.end_lineno or 0 for test in node.ifs)])
        yield Place(numbers[id(node)], first, last, around.function, around.is_called, around.words)
    yield from _places(node, numbers, around)


def _is_passed_over(parent: ast.AST, name: str, child: ast.AST) -> bool:
    """Types, decorators and default values, imports, assertions, texts, and the words of refusals and findings."""
    if name in ("annotation", "returns", "decorator_list", "args") and not isinstance(parent, ast.Call):
        return True
    if isinstance(child, ast.Import | ast.ImportFrom | ast.Assert | ast.JoinedStr):
        return True
    is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
    if is_docstring or (isinstance(parent, ast.Subscript) and isinstance(child, ast.Tuple)):  # or a type of several
        return True
    if isinstance(parent, ast.Call) and _called(parent) in _WORDED:
        return _called(parent) != "Refused" or child is not parent.args[0]
    if _called(parent) in _FINDINGS:
        return isinstance(child, ast.keyword) and child.arg != "adverse"
    return isinstance(child, ast.BinOp) and _is_union(child)


def _is_union(node: ast.AST) -> bool:
    """Whether this is a type that is one of several."""
    if isinstance(node, ast.BinOp):
        return _is_union(node.left) and _is_union(node.right)
    return isinstance(node, ast.Name) and node.id[:1].isupper() and not node.id.isupper()


def _within(parent: ast.AST, name: str, child: ast.AST, around: _Around) -> _Around:
    words = around.words or (_called(parent) in _FINDINGS and name == "args" and isinstance(child, ast.Constant))
    function, is_called = around.function, around.is_called
    if isinstance(parent, ast.FunctionDef) and name == "body":
        function = function if is_called else f"{function}.{parent.name}".lstrip(".")
        is_called = True
    elif isinstance(parent, ast.Lambda) and name == "body":
        is_called = True
    elif isinstance(parent, ast.ClassDef) and name == "body" and not is_called:
        function = f"{function}.{parent.name}".lstrip(".")
    elif isinstance(parent, ast.Assign | ast.AnnAssign) and name == "value" and not function:
        target = parent.targets[0] if isinstance(parent, ast.Assign) else parent.target
        function = ast.unparse(target)
    return _Around(function, is_called, words)


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
