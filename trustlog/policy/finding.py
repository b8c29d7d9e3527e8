"""A finding: one unmet condition of a decision."""

from __future__ import annotations

from dataclasses import dataclass

from trustlog.errors import REASONS


@dataclass(frozen=True, slots=True)
class Finding:
    """A registered reason code, what was expected and found in one sentence, and the next step."""

    code: str
    expected: str
    found: str

    def __post_init__(self) -> None:
        assert self.code in REASONS, self.code

    @property
    def detail(self) -> str:
        """What is logged with the code."""
        return f"expected {self.expected}; found {self.found}"

    @property
    def hint(self) -> str:
        """The registered next step."""
        return REASONS[self.code].next_step
