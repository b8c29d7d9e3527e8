"""Every exception and every reason code.

Libraries raise; only ``trustlog.cli`` and ``trustlog.service.problems`` translate what was raised for a reader. An error
names its registered code, the field concerned, what was expected and what was found; it never carries a secret and never
a whole document (all four are shortened here, once).
"""

from __future__ import annotations

import re
from typing import Final

from trustlog.reasons import REASONS, Reason

__all__ = ["REASONS", "Conflict", "Fatal", "Reason", "Refused", "TrustlogError", "shorten"]

FOUND_MAX_CHARACTERS: Final = 160
DETAIL_MAX_CHARACTERS: Final = 600
_TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")  # a compact JWS, a bearer secret


def printable(line: str) -> str:
    """A line whatever was in it, whole, and nothing in it that a terminal would obey or that hides other characters."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in line)


def shorten(value: object, *, most: int = FOUND_MAX_CHARACTERS) -> str:
    """A value as one printable line of at most `most` characters, for an error's ``found``. A token is never shown."""
    text = value if isinstance(value, str) else repr(value)
    text = _TOKEN.sub("(a token)", text)
    text = printable(text[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


class TrustlogError(Exception):
    """The one root. `code` must be registered in :data:`REASONS`.

    ``param`` is the field as a path (``payload.binding.run_id``); ``expected`` and ``found`` say what the rule wanted and
    what arrived; ``hint`` is the next step, the registered one unless the raiser knows better.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        param: str | None = None,
        expected: object = None,
        found: object = None,
        hint: str | None = None,
    ) -> None:
        reason = REASONS[code]
        detail = shorten(detail, most=DETAIL_MAX_CHARACTERS)
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.param = None if param is None else shorten(param)
        self.expected = None if expected is None else shorten(expected)
        self.found = None if found is None else shorten(found)
        self.hint = reason.next_step if hint is None else hint


class Refused(TrustlogError):
    """Something that came from outside is not acceptable: nothing was done with it, nothing was lost."""

    def retold(self, detail: str, hint: str) -> Refused:
        """The same refusal in the words of whoever knows what had been done by then, and what to do now."""
        return Refused(self.code, detail, param=self.param, expected=self.expected, found=self.found, hint=hint)


class Conflict(Refused):
    """A conflict key is taken by another payload or signer. `index` and `leaf_hash` (32 bytes) name the holder."""

    def __init__(self, detail: str, *, index: int, leaf_hash: bytes, param: str, found: object = None) -> None:
        super().__init__("CONFLICT", detail, param=param, expected="an unused id, or the same payload", found=found)
        self.index = index
        self.leaf_hash = leaf_hash


class Fatal(TrustlogError):
    """The log cannot go on without risking its promise: the process stops, and says why."""
