"""One reason code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """A registered code: what it says, why it most likely happens, and what to do next."""

    code: str
    sentence: str
    cause: str
    next_step: str

    def to_json(self) -> dict[str, str]:
        """The three texts."""
        return {"sentence": self.sentence, "cause": self.cause, "next_step": self.next_step}
