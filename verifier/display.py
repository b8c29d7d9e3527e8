"""Text from hostile input on a terminal: what may be shown, how wide it is, where a line ends, and colour."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from enum import Enum

REPLACEMENT = "\ufffd"

Paint = Callable[[str, "Colour"], str]


class Colour(Enum):
    """A colour by what it says; the SGR parameters of ECMA-48. Nothing is said by colour alone."""

    GOOD = "32"
    BAD = "1;31"
    OPEN = "33"
    WEAK = "36"
    HEADING = "1"


def clean(text: str) -> str:
    """`text` with every character that is not printable (controls, bidirectional marks, surrogates) replaced."""
    return "".join(letter if letter.isprintable() else REPLACEMENT for letter in text)


def to_json_line(value: object) -> str:
    """One line of JSON whose non-printable characters are all escaped, so that a terminal may show it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text) + "\n"


def plain(text: str, colour: Colour) -> str:
    """No colour."""
    del colour
    return text


def coloured(text: str, colour: Colour) -> str:
    """Colour for a terminal."""
    return f"\x1b[{colour.value}m{text}\x1b[0m"


def width_of(text: str) -> int:
    """The columns that printable `text` takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(_width(letter) for letter in text)


def _width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def pad(text: str, columns: int) -> str:
    """`text` with spaces up to a width."""
    return text + " " * max(0, columns - width_of(text))


def wrap(text: str, columns: int) -> list[str]:
    """Lines of at most `columns`, broken at spaces; a word that is longer is broken anywhere. At least one line."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and width_of(line) + 1 + width_of(word) <= columns:
            line += " " + word
            continue
        if line:
            lines.append(line)
        *whole, line = _pieces(word, columns)
        lines += whole
    return [*lines, line] if line or not lines else lines


def _pieces(word: str, columns: int) -> list[str]:
    if width_of(word) <= columns:
        return [word]
    pieces, piece, used = [], "", 0
    for letter in word:
        width = _width(letter)
        if piece and used + width > columns:
            pieces.append(piece)
            piece, used = "", 0
        piece += letter
        used += width
    return [*pieces, piece]


def fits(text: str, columns: int) -> bool:
    """Whether no word of `text` would have to be broken."""
    return all(width_of(word) <= columns for word in text.split())
