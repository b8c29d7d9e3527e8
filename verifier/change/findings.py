"""Collects checks while a case is judged."""

from __future__ import annotations

from verifier.errors import Refused, Unavailable
from verifier.report import Check, Status

NOTHING = "none"


class Findings:
    """The checks so far, in the order in which they ran, and what is not proven."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.not_proven: list[str] = []

    def passed(self, name: str, found: str | None = None, *, expected: str | None = None, index: int | None = None) -> None:
        """Something was shown. `name` is `group.name`."""
        self._add(name, Status.PASS, expected=expected, found=found, index=index)

    def failed(
        self,
        name: str,
        code: str,
        *,
        expected: str | None = None,
        found: str = NOTHING,
        index: int | None = None,
    ) -> None:
        """Something lies or breaks a rule, or what is expected is not there."""
        self._add(name, Status.FAIL, code=code, expected=expected, found=found, index=index)

    def refused(self, name: str, error: Refused, *, expected: str | None = None, index: int | None = None) -> None:
        """As `failed`, from a refusal; `expected` is said if it does not say what."""
        found = ": ".join(part for part in (error.detail, error.found) if part)
        self.failed(name, error.code, expected=error.expected or expected, found=found, index=index)

    def undecided(
        self,
        name: str,
        code: str,
        *,
        expected: str | None = None,
        found: str = NOTHING,
        index: int | None = None,
    ) -> None:
        """Something could not be shown either way."""
        self._add(name, Status.UNDECIDED, code=code, expected=expected, found=found, index=index)

    def unavailable(self, name: str, error: Unavailable) -> None:
        """As `undecided`, of something that could not be had."""
        found = ": ".join(part for part in (error.detail, error.found) if part)
        self.undecided(name, error.code, expected=error.expected, found=found)

    def absent(self, name: str, status: Status, found: str, *, expected: str, index: int) -> None:
        """No adverse evidence was found; `status` says how far that carries. The report lists what is only attested."""
        code = "ABSENCE_NOT_PROVEN" if status is Status.UNDECIDED else None
        self._add(name, status, code=code, expected=expected, found=found, index=index)

    def has_failed(self) -> bool:
        """Whether any check failed so far."""
        return any(check.status is Status.FAIL for check in self.checks)

    def _add(
        self,
        name: str,
        status: Status,
        *,
        code: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        index: int | None = None,
    ) -> None:
        group, _, rest = name.partition(".")
        self.checks.append(Check(group, rest, status, code, expected, found, index))
