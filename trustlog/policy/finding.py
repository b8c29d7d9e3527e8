"""A finding: one unmet condition of a decision."""

from __future__ import annotations

from dataclasses import dataclass

from trustlog.errors import REASONS


@dataclass(frozen=True, slots=True)
class Finding:
    """A registered reason code, what was expected and found in one sentence, and the next step.

    ``expected`` and ``found`` may quote whatever a caller, an agent or a log says; what is said of them is one line of printable
    characters. ``next_step`` is the command or the person for this very case; without it, the code's registered one holds.
    """

    code: str
    expected: str
    found: str
    next_step: str | None = None

    def __post_init__(self) -> None:
        assert self.code in REASONS, self.code

    @property
    def detail(self) -> str:
        """What is logged with the code."""
        return printable(f"expected {self.expected}; found {self.found}")

    @property
    def hint(self) -> str:
        """The next step: who does what."""
        return REASONS[self.code].next_step if self.next_step is None else printable(self.next_step)


def printable(text: str) -> str:
    r"""`text` as one line of printable characters: the others are written as ``\u`` escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
