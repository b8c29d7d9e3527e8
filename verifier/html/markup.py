"""HTML by construction: every string is escaped unless this module made it."""

from __future__ import annotations

from html import escape

from verifier.display import clean

_VOID = frozenset({"meta", "line", "rect", "path", "circle"})


class Markup(str):
    """Text that is HTML already. Made only by `tag`, `join` and `raw`."""

    __slots__ = ()


def raw(text: str) -> Markup:
    """A constant of ours that is HTML or CSS. Never anything that was read."""
    return Markup(text)


def safe(text: str) -> Markup:
    """Text of any origin: non-printable characters replaced, the rest escaped."""
    return text if isinstance(text, Markup) else Markup(escape(clean(text), quote=True))


def join(*children: Markup | str | None) -> Markup:
    """Children one after the other."""
    return Markup("".join(safe(child) for child in children if child is not None))


def tag(name: str, /, *children: Markup | str | None, **attributes: str | int | None) -> Markup:
    """An element. An underscore ends a Python keyword (`class_`) and stands for a hyphen inside a name (`stroke_width`)."""
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            words.append(f'{key.rstrip("_").replace("_", "-")}="{safe(str(value))}"')
    opened = f"<{' '.join(words)}>"
    if name in _VOID:
        return Markup(opened if name == "meta" else opened[:-1] + "/>")
    return Markup(f"{opened}{join(*children)}</{name}>")
