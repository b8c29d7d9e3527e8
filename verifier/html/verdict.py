"""The verdict and its checks as HTML."""

from __future__ import annotations

from verifier.html.markup import Markup, join, tag
from verifier.reasons import REASONS
from verifier.report import GROUPS, Check, Report, Status
from verifier.text import Shortener, by_subject, gather_not_proven, mark_of, say_found, say_summary, split_name

TONES = {
    Status.PASS: "good",
    Status.PROVEN: "good",
    Status.ATTESTED: "weak",
    Status.UNDECIDED: "open",
    Status.FAIL: "bad",
    Status.ERROR: "bad",
}


def render_verdict(report: Report, shorten: Shortener) -> Markup:
    """The box at the top: status, code, reason, the next step if there is one to take, and what it rests on."""
    reason = REASONS.get(report.reason_code)
    next_step = None
    if reason is not None and report.status is not Status.PASS:
        next_step = join(tag("p", reason.sentence), tag("p", tag("strong", "Next step: "), reason.next_step))
    return tag(
        "div",
        tag("p", tag("span", report.status.value, class_="mark"), tag("code", report.reason_code)),
        tag("p", shorten(report.reason)),
        next_step,
        tag("p", say_summary(report)) if report.checks else None,
        class_=f"verdict {TONES[report.status]}",
    )


def render_checks(report: Report, shorten: Shortener) -> Markup:
    """One table for each group and what its checks are about."""
    parts: list[Markup] = []
    for group in GROUPS:
        checks = [check for check in report.checks if check.group == group]
        if checks:
            parts.append(tag("h3", group.capitalize()))
            parts += [_table(group, subject, about, shorten) for subject, about in by_subject(checks).items()]
    if not parts:
        return tag("p", "Nothing could be checked.")
    return join(*parts)


def _table(group: str, subject: str | None, checks: list[Check], shorten: Shortener) -> Markup:
    heads = (tag("th", name, scope="col") for name in ("ended", "entry", "check", "what was found"))
    return tag(
        "table",
        tag("caption", subject) if subject is not None else tag("caption", group, class_="unseen"),
        tag("thead", tag("tr", *heads)),
        tag("tbody", *(_row(check, shorten) for check in checks)),
        class_="checks",
    )


def _row(check: Check, shorten: Shortener) -> Markup:
    return tag(
        "tr",
        tag("td", tag("span", mark_of(check), class_="mark")),
        tag("td", "" if check.index is None else str(check.index)),
        tag("th", split_name(check)[0], scope="row"),
        tag("td", shorten(say_found(check))),
        class_=TONES[check.status],
    )


def render_not_proven(report: Report, shorten: Shortener) -> Markup:
    """The list of what is not proven, absences that one gate attests below one another."""
    if not report.not_proven:
        return tag("p", "Nothing was judged, so nothing is proven.")
    items = []
    for line, absences in gather_not_proven(report):
        below = tag("ul", *(tag("li", absence) for absence in absences)) if absences else None
        items.append(tag("li", shorten(line) + (":" if absences else ""), below))
    return tag("ul", *items)
