"""Collects checks while a case is judged."""

from __future__ import annotations

from verifier.errors import Refused, Unavailable
from verifier.report import Check, Status

NOTHING = "none"
SOMETHING_ELSE = "something else"  # where a refusal does not repeat what it found: it may be long, or private


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
        """As `failed`, from a refusal: what was expected of the member or record that it names, and what was found there.

        `expected` is said if the refusal does not say what; what was found is then told with where.
        """
        if error.expected is not None:
            expected, found = f"{error.detail}: {error.expected}", error.found or SOMETHING_ELSE
        else:
            found = _say_there(error)
        self.failed(name, error.code, expected=expected, found=found, index=index)

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
        self.undecided(name, error.code, expected=error.expected, found=_say_missing(error))

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


def _say_missing(error: Unavailable) -> str:
    """What could not be had, and what came instead."""
    return f"{error.detail}: {error.found or NOTHING}"


def _say_there(error: Refused) -> str:
    return f"{error.detail}: {error.found}" if error.found else error.detail
