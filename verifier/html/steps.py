"""An explanation as HTML."""

from __future__ import annotations

from verifier.explain.step import Chapter, Step, Value
from verifier.html.markup import Markup, join, tag


def render_chapter(chapter: Chapter) -> Markup:
    """One chapter, folded away, with all its steps."""
    failed = any(step.holds is False for step in chapter.steps)
    title = chapter.title + (": a step DOES NOT HOLD" if failed else "")
    return tag("details", tag("summary", title), *(_step(step) for step in chapter.steps))


def _step(step: Step) -> Markup:
    marks = {True: ("holds: ", "good"), False: ("DOES NOT HOLD: ", "bad"), None: ("note: ", "weak")}
    word, tone = marks[step.holds]
    return tag(
        "div",
        tag("p", step.title),
        *(_value(value) for value in step.inputs),
        tag("p", tag("code", step.formula + (" =" if step.outputs else ""))) if step.formula is not None else None,
        *(_value(value) for value in step.outputs),
        tag("p", tag("span", word, class_=f"mark {tone}"), step.note) if step.note is not None else None,
        class_="step",
    )


def _value(value: Value) -> Markup:
    lines = value.text[:-1].split("\n") if value.encoding == "lines" else [value.text]
    body = join(*(join(line, "" if line is lines[-1] else _LINE_END) for line in lines))
    spelled = f"{value.label} ({value.encoding}, {value.size} bytes)"
    return join(tag("p", spelled, class_="label"), tag("pre", tag("code", body)))


_LINE_END = Markup("\n")
