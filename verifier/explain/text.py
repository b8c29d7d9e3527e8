"""An explanation as text. Lines are never wrapped: every value can be copied whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from verifier.display import Colour, Paint, clean, plain
from verifier.explain.step import Chapter, Step, Value, as_hex

_INTRODUCTION = (
    "how it is computed",
    "  ‖ joins bytes; 0x00, 0x01, 0x04 and 0x06 are single bytes; LF is 0x0a.",
    "  a value's spelling stands before it, its label above it.",
    "  text: these characters in UTF-8, without a line break. lines: the same, each line ended by LF.",
)


def render_chapters(
    chapters: Iterable[Chapter], *, paint: Paint = plain, can_show: Callable[[str], bool] = lambda _: True
) -> str:
    """The chapters, ending in a newline. Only printable characters are passed on.

    A value with a character that cannot be shown is spelled in hex: what is printed is enough to compute with.
    """
    lines = ["", paint(_INTRODUCTION[0], Colour.HEADING), *_INTRODUCTION[1:]]
    number = 0
    for chapter in chapters:
        lines += ["", paint(clean(chapter.title), Colour.HEADING)]
        for step in chapter.steps:
            number += 1
            lines += _step(number, step, paint, can_show)
    return "\n".join(lines) + "\n"


def _step(number: int, step: Step, paint: Paint, can_show: Callable[[str], bool]) -> list[str]:
    lines = [f"  {number}. {clean(step.title)}"]
    for value in step.inputs:
        lines += [f"     {clean(value.label)}:", *_spell(value, can_show)]
    if step.formula is not None:
        lines.append(f"     {clean(step.formula)}" + (" =" if step.outputs else ""))
        for value in step.outputs:
            lines += _spell(value, can_show)
    if step.note is not None:
        mark = {True: paint("holds", Colour.GOOD) + ": ", False: paint("DOES NOT HOLD", Colour.BAD) + ": ", None: "note: "}
        lines.append(f"     {mark[step.holds]}{clean(step.note)}")
    return lines


def _spell(value: Value, can_show: Callable[[str], bool]) -> list[str]:
    if value.encoding in ("text", "lines") and not can_show(value.text):
        value = as_hex(value.label, value.text.encode("utf-8"))
    if value.encoding == "lines":
        return [f"       lines     {clean(line)}" for line in value.text[:-1].split("\n")]
    return [f"       {value.encoding:<9} {clean(value.text)}"]
