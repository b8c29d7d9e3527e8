"""The three ways in which this package says no.

`Refused`     what was read lies, breaks a rule or is malformed. Carries a registered reason code.
`Unavailable` something that must exist could not be obtained (404, time-out, redirect, too large): undecided.
`Unusable`    the command line, or a file that it names, cannot be used at all.
"""

from __future__ import annotations


class VerifierError(Exception):
    """Base of every exception that this package raises on purpose.

    `code` is a key of `verifier.reasons.REASONS`; `detail` says which field or file; `expected` and `found`
    are short texts, never a whole proof or payload.
    """

    def __init__(self, code: str, detail: str, *, expected: str | None = None, found: str | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.expected = expected
        self.found = found

    def say(self) -> str:
        """One line: the field or file, what was expected and what was found."""
        expected = f"expected {self.expected}" if self.expected else ""
        found = f"found {self.found}" if self.found else ""
        return ", ".join(part for part in (self.detail, expected, found) if part)

    def forget_frames(self) -> None:
        """Let go of where it was raised: what is kept for a report would keep all that was being read there."""
        self.__traceback__ = self.__context__ = self.__cause__ = None

    def __reduce__(self) -> tuple[object, ...]:
        """Crosses from a worker process: `expected` and `found` are no positional arguments."""
        return _rebuild, (type(self), self.code, self.detail, self.expected, self.found)


class Refused(VerifierError):
    """Something that was read is malformed, contradicts itself or breaks a rule."""


class Unavailable(VerifierError):
    """Something under a signed checkpoint could not be obtained; nothing follows about its truth."""


class Unusable(VerifierError):
    """Usage: an argument or a named file cannot be read."""


def _rebuild(kind: type[VerifierError], code: str, detail: str, expected: str | None, found: str | None) -> VerifierError:
    return kind(code, detail, expected=expected, found=found)
