"""The verdict and its checks as HTML."""

from __future__ import annotations

from verifier.html.markup import Markup, join, tag
from verifier.reasons import REASONS
from verifier.report import GROUPS, Check, Report, Status
from verifier.text import by_subject, gather_not_proven, mark_of, say_found, split_name

_TONES = {
    Status.PASS: "good",
    Status.PROVEN: "good",
    Status.ATTESTED: "weak",
    Status.UNDECIDED: "open",
    Status.FAIL: "bad",
    Status.ERROR: "bad",
}


def render_verdict(report: Report) -> Markup:
    """The box at the top: status, code, reason, and the next step if there is one to take."""
    reason = REASONS.get(report.reason_code)
    next_step = None
    if reason is not None and report.status is not Status.PASS:
        next_step = join(tag("p", reason.sentence), tag("p", tag("strong", "Next step: "), reason.next_step))
    return tag(
        "div",
        tag("p", tag("span", report.status.value, class_="mark"), tag("code", report.reason_code)),
        tag("p", report.reason),
        next_step,
        class_=f"verdict {_TONES[report.status]}",
    )


def render_checks(report: Report) -> Markup:
    """One table for each group and what its checks are about."""
    parts: list[Markup] = []
    for group in GROUPS:
        checks = [check for check in report.checks if check.group == group]
        if checks:
            parts.append(tag("h3", group.capitalize()))
            parts += [_table(group, subject, about) for subject, about in by_subject(checks).items()]
    if not parts:
        return tag("p", "Nothing could be checked.")
    return join(*parts)


def _table(group: str, subject: str | None, checks: list[Check]) -> Markup:
    heads = (tag("th", name, scope="col") for name in ("ended", "entry", "check", "what was found"))
    return tag(
        "table",
        tag("caption", subject) if subject is not None else tag("caption", group, class_="unseen"),
        tag("thead", tag("tr", *heads)),
        tag("tbody", *(_row(check) for check in checks)),
        class_="checks",
    )


def _row(check: Check) -> Markup:
    return tag(
        "tr",
        tag("td", tag("span", mark_of(check), class_="mark")),
        tag("td", "" if check.index is None else str(check.index)),
        tag("th", split_name(check)[0], scope="row"),
        tag("td", say_found(check)),
        class_=_TONES[check.status],
    )


def render_not_proven(report: Report) -> Markup:
    """The list of what is not proven."""
    if not report.not_proven:
        return tag("p", "Nothing was judged, so nothing is proven.")
    return tag("ul", *(tag("li", line) for line in gather_not_proven(report)))
