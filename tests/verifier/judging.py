"""Judge what the builders made, and say what must come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.verifier.changebuilder import START, Change, trust_toml
from tests.verifier.logbuilder import jcs
from verifier.change.judge import judge
from verifier.reasons import REASONS
from verifier.report import Check, Report, Status
from verifier.trust import parse_trust_policy

NOW_NS = int((START.timestamp() + 1000) * 1e9)


def verdict(
    subject: Change | dict[str, Any] | bytes,
    *,
    trust: bytes | None = None,
    at_ns: int = NOW_NS,
    **options: Any,
) -> Report:
    """The verdict on a change, a pack object or pack bytes."""
    if isinstance(subject, Change):
        subject = subject.pack()
    data = subject if isinstance(subject, bytes) else jcs(subject)
    return judge(data, parse_trust_policy(trust or trust_toml()), at_ns=at_ns, **options)


def carry_all(checks: list[Check]) -> bool:
    """Whether each says its reason, what was expected and what was found."""
    return all(check.code in REASONS and check.expected and check.found for check in checks)


def assert_fails(report: Report, code: str, *also: str) -> None:
    """FAIL for this reason, and `also` for these: a code, or a check's full name and its code.

    No check says both that something was shown and that it fails.
    """
    assert (report.status, report.reason_code) == (Status.FAIL, code), summary(report)
    assert report.exit_code == 1
    failed = [check for check in report.checks if check.status is Status.FAIL]
    told = {check.code for check in failed} | {f"{check.full_name} {check.code}" for check in failed}
    assert told >= {code, *also}, summary(report)
    assert carry_all(failed), summary(report)
    shown = {(check.full_name, check.index) for check in report.checks if check.status is not Status.FAIL}
    assert not shown & {(check.full_name, check.index) for check in failed}, summary(report)


def assert_undecided(report: Report, code: str, *also: str) -> None:
    """UNDECIDED for this reason, and `also` for these: a code, or a check's full name and its code."""
    assert (report.status, report.reason_code) == (Status.UNDECIDED, code), summary(report)
    assert report.exit_code == 3
    open_points = [check for check in report.checks if check.status is Status.UNDECIDED]
    told = {check.code for check in open_points} | {f"{check.full_name} {check.code}" for check in open_points}
    assert told >= {code, *also}, summary(report)
    assert carry_all(open_points), summary(report)


def assert_passes(report: Report) -> None:
    assert report.status is Status.PASS, summary(report)
    assert report.exit_code == 0


def summary(report: Report) -> str:
    bad = [check for check in report.checks if check.status in (Status.FAIL, Status.UNDECIDED)]
    lines = [f"{report.status.value} {report.reason_code}: {report.reason}"]
    lines += [f"  {check.full_name} {check.code} expected {check.expected} found {check.found}" for check in bad]
    return "\n".join(lines)


def setting(**members: Any) -> Callable[[dict[str, Any]], object]:
    """An edit that sets members of a payload."""
    return lambda payload: payload.update(members)


def binding(**members: Any) -> Callable[[dict[str, Any]], object]:
    """An edit that sets members of a payload's binding."""
    return lambda payload: payload["binding"].update(members)


def scoped(**members: Any) -> Callable[[dict[str, Any]], object]:
    """An edit that sets members of a decision's scope."""
    return lambda payload: payload["scope"].update(members)
