"""What is changed: for one node of the syntax tree, the changes that a test should notice."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

Edit = Callable[[ast.AST], ast.AST]  # takes the node, in a tree of its own, and gives what stands there instead

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_OPPOSITES = {"any": "all", "all": "any", "min": "max", "max": "min"}


def edits(node: ast.AST, *, words: bool) -> Iterator[tuple[str, Edit]]:
    """Each change of one node, and how it is told. In `words`, which people read, only reason codes are changed."""
    if isinstance(node, ast.Constant):
        yield from _constant(node, words=words)
    elif not words and type(node) in _OPERATORS:
        yield from _OPERATORS[type(node)](node)


def _constant(node: ast.Constant, *, words: bool) -> Iterator[tuple[str, Edit]]:
    value = node.value
    if isinstance(value, str) and is_reason_code(value):
        yield f"another code than {value}", _setting("value", "ANOTHER_CODE")
    elif words:
        return
    elif isinstance(value, bool):
        yield f"{value} is {not value}", _setting("value", not value)
    elif isinstance(value, int):
        yield f"{value} is {value + 1}", _setting("value", value + 1)
        if value:
            yield f"{value} is {value - 1}", _setting("value", value - 1)


def is_reason_code(text: str) -> bool:
    """Whether a text is spelled as a reason code."""
    return len(text) > 5 and text.isupper() and "_" in text and text.replace("_", "").isalnum()


def _statement(node: ast.AST) -> Iterator[tuple[str, Edit]]:
    yield f"without `{_short(node)}`", lambda _: ast.Pass()


def _assign(node: ast.Assign) -> Iterator[tuple[str, Edit]]:
    if isinstance(node.targets[0], ast.Subscript | ast.Attribute):
        yield from _statement(node)


def _condition(node: ast.If | ast.IfExp) -> Iterator[tuple[str, Edit]]:
    for value in (True, False):
        yield f"`{_short(node.test)}` is {value}", _setting("test", ast.Constant(value))


def _comprehension(node: ast.comprehension) -> Iterator[tuple[str, Edit]]:
    for position, test in enumerate(node.ifs):
        yield f"without `if {_short(test)}`", _without("ifs", position)


def _boolean(node: ast.BoolOp) -> Iterator[tuple[str, Edit]]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield f"`{_short(node)}` with {type(other).__name__.lower()}", _setting("op", other)
    for position, operand in enumerate(node.values):
        yield f"without operand `{_short(operand)}`", _without_operand(position)


def _unary(node: ast.UnaryOp) -> Iterator[tuple[str, Edit]]:
    if isinstance(node.op, ast.Not):
        yield f"`{_short(node)}` without not", _operand


def _arithmetic(node: ast.BinOp) -> Iterator[tuple[str, Edit]]:
    if type(node.op) in _ARITHMETIC:
        instead = _ARITHMETIC[type(node.op)]
        yield f"`{_short(node)}` with {instead.__name__}", _setting("op", instead())


def _literal(node: ast.Tuple | ast.List | ast.Set) -> Iterator[tuple[str, Edit]]:
    is_value = isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
    if is_value and (len(node.elts) > 1 or not isinstance(node, ast.Tuple)):
        for position, element in enumerate(node.elts):
            yield f"without element `{_short(element)}`", _without("elts", position)


def _dictionary(node: ast.Dict) -> Iterator[tuple[str, Edit]]:
    for position, key in enumerate(node.keys):
        yield f"without item `{_short(key) if key else '**'}`", _without_item(position)


def _return(node: ast.Return) -> Iterator[tuple[str, Edit]]:
    value = node.value
    if value is None or isinstance(value, ast.Constant):
        return
    yield f"`{_short(node)}` returns None", _setting("value", ast.Constant(None))
    name = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
    if isinstance(value, ast.Compare | ast.BoolOp) or name in ("any", "all", "bool"):
        for truth in (True, False):
            yield f"`{_short(node)}` returns {truth}", _setting("value", ast.Constant(truth))


def _compare(node: ast.Compare) -> Iterator[tuple[str, Edit]]:
    for position, operator in enumerate(node.ops):
        for instead in _COMPARISONS[type(operator)]:
            yield f"`{_short(node)}` with {instead.__name__}", _with_comparison(position, instead)
    left, right = node.left, node.comparators[0]
    if isinstance(left, ast.Tuple) and isinstance(right, ast.Tuple) and len(left.elts) == len(right.elts):
        for position, element in enumerate(left.elts):
            yield f"`{_short(element)}` not compared", _without_pair(position)


def _call(node: ast.Call) -> Iterator[tuple[str, Edit]]:
    if isinstance(node.func, ast.Name) and node.func.id in _OPPOSITES:
        instead = _OPPOSITES[node.func.id]
        yield f"{instead} instead of {node.func.id}", _setting("func", ast.Name(instead, ast.Load()))
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("member", "optional"):
        yield from _schema_member(node, node.func)


def _schema_member(node: ast.Call, function: ast.Attribute) -> Iterator[tuple[str, Edit]]:
    """A member of a closed schema: its rule accepts anything; it may be absent, or must be there."""
    other = "optional" if function.attr == "member" else "member"
    if _short(node.args[0]) != "s.anything":
        yield f"`{_short(node)}` accepts anything", _with_rule
    yield f"`{_short(node)}` is {'required' if other == 'member' else 'optional'}", _with_attribute(other)


def _with_rule(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Call), "a member of a schema is a call"
    node.args = [ast.Attribute(ast.Name("s", ast.Load()), "anything", ast.Load())]
    return node


def _with_attribute(name: str) -> Edit:
    def edit(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Call), "a member of a schema is a call"
        assert isinstance(node.func, ast.Attribute), "of the schema module"
        node.func.attr = name
        return node

    return edit


def _setting(name: str, value: object) -> Edit:
    def edit(node: ast.AST) -> ast.AST:
        setattr(node, name, value)
        return node

    return edit


def _operand(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.UnaryOp), "not has one operand"
    return node.operand


def _without(name: str, position: int) -> Edit:
    def edit(node: ast.AST) -> ast.AST:
        del getattr(node, name)[position]
        return node

    return edit


def _without_operand(position: int) -> Edit:
    def edit(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.BoolOp), "of and or or"
        del node.values[position]
        return node.values[0] if len(node.values) == 1 else node

    return edit


def _without_item(position: int) -> Edit:
    def edit(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Dict), "of a dictionary"
        del node.keys[position], node.values[position]
        return node

    return edit


def _without_pair(position: int) -> Edit:
    def edit(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Compare), "of two tuples"
        for side in (node.left, node.comparators[0]):
            assert isinstance(side, ast.Tuple), "of two tuples"
            del side.elts[position]
        return node

    return edit


def _with_comparison(position: int, operator: type[ast.cmpop]) -> Edit:
    def edit(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Compare), "of two values"
        node.ops[position] = operator()
        return node

    return edit


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 80 else text[:77] + "..."


_OPERATORS: dict[type[ast.AST], Callable[[Any], Iterator[tuple[str, Edit]]]] = {
    ast.Raise: _statement,
    ast.Continue: _statement,
    ast.Break: _statement,
    ast.AugAssign: _statement,
    ast.Expr: _statement,
    ast.Assign: _assign,
    ast.Return: _return,
    ast.If: _condition,
    ast.IfExp: _condition,
    ast.comprehension: _comprehension,
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.BinOp: _arithmetic,
    ast.Call: _call,
    ast.Tuple: _literal,
    ast.List: _literal,
    ast.Set: _literal,
    ast.Dict: _dictionary,
}
