"""A finding: one unmet condition of a decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trustlog.errors import REASONS, shorten
from trustlog.policy.spelled_out import spell_out

MAX_SAID_CHARACTERS: Final = 4000


@dataclass(frozen=True, slots=True)
class Finding:
    """A registered reason code, what was expected and found in one sentence, and the next step.

    ``expected`` and ``found`` may quote whatever a caller, an agent or a log says; what is said of them is one bounded line of
    printable characters, without a token. ``next_step`` is the command or the person for this very case; without it, the code's
    registered one holds.
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
        return shorten(f"expected {self.expected}; found {self.found}", most=MAX_SAID_CHARACTERS)

    @property
    def hint(self) -> str:
        """The next step: who does what."""
        if self.next_step is None:
            return REASONS[self.code].next_step
        return shorten(spell_out(self.next_step), most=MAX_SAID_CHARACTERS)
