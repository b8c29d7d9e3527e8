"""The verdict: one immutable report, from which the exit code, the JSON and the human text all follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """How one check ended.

    PASS      shown from what was read.
    PROVEN    an absence, shown because the whole log was read.
    ATTESTED  an absence that a trusted gate vouches for; always listed as not proven.
    UNDECIDED could not be shown either way.
    FAIL      something that was read lies or breaks a rule.
    ERROR     the input cannot be judged.
    """

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    PROVEN = "PROVEN"
    ATTESTED = "ATTESTED"
    UNDECIDED = "UNDECIDED"
    FAIL = "FAIL"
    ERROR = "ERROR"


EXIT_CODES = {Status.PASS: 0, Status.FAIL: 1, Status.ERROR: 2, Status.UNDECIDED: 3}

GROUPS = ("log", "evidence", "policy", "approvals", "execution")  # the order in which an auditor reasons


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: its group and name, how it ended, what was expected and what was found."""

    group: str
    name: str
    status: Status
    code: str | None = None
    expected: str | None = None
    found: str | None = None
    index: int | None = None

    @property
    def full_name(self) -> str:
        """The name in the report: `group.name`."""
        return f"{self.group}.{self.name}"


@dataclass(frozen=True, slots=True)
class Report:
    """A finished verdict. `status` is one of PASS, FAIL, UNDECIDED and ERROR."""

    status: Status
    reason_code: str
    reason: str
    checks: tuple[Check, ...]
    not_proven: tuple[str, ...]
    trust_policy_sha256: str | None

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 2 unreadable input, 3 undecided."""
        return EXIT_CODES[self.status]

    def to_json(self) -> dict[str, object]:
        """The verdict as the documented JSON object."""
        return {
            "status": self.status.value,
            "reason_code": self.reason_code,
            "reason": self.reason,
            "checks": [
                {
                    "name": check.full_name,
                    "status": check.status.value,
                    "reason_code": check.code,
                    "expected": check.expected,
                    "found": _with_index(check),
                    "index": check.index,
                }
                for check in self.checks
            ],
            "not_proven": list(self.not_proven),
            "trust_policy_sha256": self.trust_policy_sha256,
        }


def _with_index(check: Check) -> str | None:
    if check.index is None:
        return check.found
    return f"entry {check.index}" + (f": {check.found}" if check.found else "")


def not_proven_line(check: Check) -> str:
    """How an attested absence is listed under what is not proven."""
    return f"{check.expected}: {check.found}, not proven from the whole log"


def conclude(checks: Iterable[Check], *, not_proven: Sequence[str], trust_policy_sha256: str | None, passed: str) -> Report:
    """The report that follows from `checks`: the first FAIL decides, else the first UNDECIDED, else PASS.

    A report without a single check is undecided: nothing was shown. `passed` is the sentence of a PASS. Whatever is
    only attested is listed under *not proven*, besides the lines given.
    """
    ordered = tuple(sorted(checks, key=lambda check: GROUPS.index(check.group)))
    attested = [not_proven_line(check) for check in ordered if check.status is Status.ATTESTED]
    open_points = tuple(dict.fromkeys([*attested, *not_proven]))
    for status in (Status.ERROR, Status.FAIL, Status.UNDECIDED):
        deciding = next((check for check in ordered if check.status is status), None)
        if deciding is not None:
            break
    else:
        if ordered:
            return Report(Status.PASS, "OK", passed, ordered, open_points, trust_policy_sha256)
        deciding, status = None, Status.UNDECIDED
    code = deciding.code if deciding and deciding.code else "ABSENCE_NOT_PROVEN"
    return Report(status, code, _sentence(deciding), ordered, open_points, trust_policy_sha256)


def error_report(code: str, reason: str, *, trust_policy_sha256: str | None = None) -> Report:
    """The report of an input that cannot be judged at all."""
    return Report(Status.ERROR, code, reason, (), (), trust_policy_sha256)


def _sentence(check: Check | None) -> str:
    if check is None:
        return "nothing was checked"
    parts = [check.full_name if check.index is None else f"{check.full_name} of entry {check.index}"]
    if check.expected:
        parts.append(f"expected {check.expected}")
    if check.found:
        parts.append(f"found {check.found}")
    return "; ".join(parts)
