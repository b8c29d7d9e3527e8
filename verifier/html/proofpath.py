"""An inclusion path, drawn from the root down to the entry."""

from __future__ import annotations

from verifier.explain.tree import inclusion_levels, say_range
from verifier.html.markup import Markup, join, tag
from verifier.outcome import Path
from verifier.tree import hash_leaf, hash_node

_WIDTH, _ROW, _BOX_WIDTH, _BOX_HEIGHT = 640, 64, 250, 36
_LEFT, _RIGHT = 30, 360
_ORIGIN = {"own": "computed", "sibling": "from proof"}


def render_path(path: Path, *, unfolded: bool = False) -> Markup:
    """The path of one entry, folded away unless asked otherwise; the first hex digits of each hash."""
    levels = inclusion_levels(path.index, path.size) if path.index < path.size else ()
    nodes = [hash_leaf(path.entry)]
    if len(levels) != len(path.proof):
        said = f"it needs {len(levels)} hashes, the proof has {len(path.proof)}"
        return tag("details", tag("summary", f"Entry {path.index}: the proof cannot be followed"), tag("p", said))
    for level, sibling in zip(levels, path.proof, strict=True):
        left, right = (sibling, nodes[-1]) if level.sibling_is_left else (nodes[-1], sibling)
        nodes.append(hash_node(left, right))
    leads = (
        "leads to the root of the checkpoint" if nodes[-1] == path.root else "DOES NOT lead to the root of the checkpoint"
    )
    title = f"Entry {path.index}: {len(levels)} hashes; {leads}"
    depth = len(levels)
    shapes = [_box((_WIDTH - _BOX_WIDTH) // 2, 0, f"root of {path.size} entries", nodes[-1], "own")]
    for number, (level, sibling) in enumerate(zip(reversed(levels), reversed(path.proof), strict=True), start=1):
        own_x, sibling_x = (_RIGHT, _LEFT) if level.sibling_is_left else (_LEFT, _RIGHT)
        above = _WIDTH // 2 if number == 1 else _own_centre(levels[depth - number + 1].sibling_is_left)
        y = number * _ROW
        shapes += [
            _line(above, y - _ROW + _BOX_HEIGHT, own_x + _BOX_WIDTH // 2, y),
            _line(above, y - _ROW + _BOX_HEIGHT, sibling_x + _BOX_WIDTH // 2, y),
            _box(own_x, y, say_range(level.node), nodes[depth - number], "own"),
            _box(sibling_x, y, say_range(level.sibling), sibling, "sibling"),
        ]
    height = depth * _ROW + _BOX_HEIGHT + 4
    drawing = tag("svg", *shapes, viewBox=f"-2 -2 {_WIDTH + 4} {height}", role="img", aria_label=title)
    folded = (
        tag("summary", title),
        tag("div", drawing, class_="drawing", tabindex=0, role="group", aria_label=f"path of entry {path.index}"),
    )
    return tag("details", *folded, open="" if unfolded else None)


def _own_centre(sibling_is_left: bool) -> int:
    return (_RIGHT if sibling_is_left else _LEFT) + _BOX_WIDTH // 2


def _box(x: int, y: int, label: str, node: bytes, kind: str) -> Markup:
    return join(
        tag("rect", x=x, y=y, width=_BOX_WIDTH, height=_BOX_HEIGHT, rx=5, class_=kind),
        tag("text", label, x=x + 9, y=y + 15),
        tag("text", f"{node.hex()[:16]}… {_ORIGIN[kind]}", x=x + 9, y=y + 29, class_="soft"),
    )


def _line(x1: int, y1: int, x2: int, y2: int) -> Markup:
    half = (y1 + y2) // 2
    return tag("path", d=f"M{x1} {y1}V{half}H{x2}V{y2}")
