"""The verdict for people: verdict first, then the checks in the order of reasoning, then what is not proven."""

from __future__ import annotations

from verifier.reasons import REASONS
from verifier.report import GROUPS, Check, Report, Status

_MARKS = {
    Status.PASS: "ok",
    Status.PROVEN: "ok, proven",
    Status.ATTESTED: "ok, attested",
    Status.UNDECIDED: "undecided",
    Status.FAIL: "FAIL",
    Status.ERROR: "error",
}


def render(report: Report) -> str:
    """The whole text, ending in a newline. Control characters of the input are never passed on."""
    lines = [f"{report.status.value}  {report.reason_code}", f"  {_clean(report.reason)}"]
    reason = REASONS.get(report.reason_code)
    if reason is not None and report.status is not Status.PASS:
        lines += [f"  {reason.sentence}", f"  next step: {reason.next_step}"]
    for group in GROUPS:
        checks = [check for check in report.checks if check.group == group]
        if checks:
            lines += ["", group]
            lines += [_line(check) for check in checks]
    if report.not_proven:
        lines += ["", "not proven"]
        lines += [f"  - {_clean(line)}" for line in report.not_proven]
    if report.trust_policy_sha256:
        lines += ["", f"judged under the trust policy with SHA-256 {report.trust_policy_sha256}"]
    return "\n".join(lines) + "\n"


def _line(check: Check) -> str:
    parts = [f"  {_MARKS[check.status]:<13}{check.name}"]
    if check.code:
        parts.append(check.code)
    if check.status in (Status.FAIL, Status.UNDECIDED) and check.expected:
        parts.append(f"expected {check.expected}")
    if check.found:
        parts.append(check.found if check.status is not Status.FAIL else f"found {check.found}")
    if check.index is not None:
        parts.append(f"(entry {check.index})")
    return _clean("  ".join(parts))


def _clean(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
