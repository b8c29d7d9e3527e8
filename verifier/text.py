"""The verdict for people: verdict first, then the checks in the order of reasoning, then what is not proven."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from verifier.display import Colour, Paint, clean, fits, pad, plain, width_of, wrap
from verifier.outcome import Judged
from verifier.reasons import REASONS
from verifier.report import GROUPS, Check, Report, Status, not_proven_line

DEFAULT_COLUMNS = 100
MIN_COLUMNS, MAX_COLUMNS = 72, 120  # a hash in hex and its indent fit the narrowest

_DID = re.compile("did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}")
_NAME = re.compile(r"([a-z_]+)\[(.*)\]", re.DOTALL)
_MARKS = {
    Status.PASS: "ok",
    Status.PROVEN: "proven",
    Status.ATTESTED: "attested",
    Status.UNDECIDED: "UNDECIDED",
    Status.FAIL: "FAIL",
    Status.ERROR: "ERROR",
}
_MEANS = {"proven": " (absences, from the whole log)", "attested": " (absences, on a gate's word)"}
_MARK_COLUMNS = max(len(mark) for mark in _MARKS.values()) + 1
_INDEX_COLUMNS = 5  # wider indexes push their line to the right
_COLOURS = {
    Status.PASS: Colour.GOOD,
    Status.PROVEN: Colour.GOOD,
    Status.ATTESTED: Colour.WEAK,
    Status.UNDECIDED: Colour.OPEN,
    Status.FAIL: Colour.BAD,
    Status.ERROR: Colour.BAD,
}


def render(report: Report, judged: Judged | None = None, *, columns: int = DEFAULT_COLUMNS, paint: Paint = plain) -> str:
    """The whole text, ending in a newline, in lines of at most `columns`.

    Control characters of the input are never passed on.
    """
    columns = max(MIN_COLUMNS, min(columns, MAX_COLUMNS))
    shorten = Shortener(report)
    lines = [f"{paint(report.status.value, _COLOURS[report.status])}  {report.reason_code}"]
    lines += _paragraph(shorten(clean(report.reason)), columns)
    reason = REASONS.get(report.reason_code)
    if reason is not None and report.status is not Status.PASS:
        lines += _paragraph(reason.sentence, columns)
        lines += _paragraph(f"next step: {reason.next_step}", columns)
    if report.checks:
        lines += _paragraph(say_summary(report), columns)
    if any(check.index is not None for check in report.checks):
        lines += ["", *_paragraph("(how it ended, index of the entry concerned, check, what it found)", columns, rest="")]
    for group in GROUPS:
        checks = [check for check in report.checks if check.group == group]
        if checks:
            lines += ["", paint(group, Colour.HEADING), *_group(checks, shorten, columns=columns, paint=paint)]
    if report.not_proven:
        lines += ["", paint("not proven", Colour.HEADING)]
        for line, absences in gather_not_proven(report):
            text = f"{line}: {'; '.join(absences)}" if absences else line
            lines += _paragraph(shorten(clean(text)), columns, first="  - ", rest="    ")
    if judged is not None:
        lines += ["", *say_judged(judged, columns=columns, paint=paint)]
    return "\n".join(lines) + "\n"


def say_judged(judged: Judged, *, columns: int, paint: Paint = plain) -> list[str]:
    """When, and which files by their hashes, so that the verdict can be told from one on other bytes."""
    lines = [paint(f"judged at {judged.at}, by SHA-256", Colour.HEADING)]
    for name, digest in judged.files:
        lines += [*_paragraph(clean(name), columns), f"    {digest}"]
    return lines


def say_summary(report: Report) -> str:
    """How many checks ended how, and how much they leave open."""
    count = Counter(mark_of(check) for check in report.checks)
    ended = ", ".join(f"{number} {mark}{_MEANS.get(mark, '')}" for mark, number in count.items())
    open_points = len(gather_not_proven(report))
    below = "1 point stands" if open_points == 1 else f"{open_points} points stand"
    return f"{plural(len(report.checks), 'check')}: {ended}. Not proven: {below} below the checks."


def plural(number: int, what: str) -> str:
    """`1 pack`, `2 packs`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def split_name(check: Check) -> tuple[str, str | None]:
    """A check's name without its group, and what it is about if it says so in brackets: an action, a size."""
    match = _NAME.fullmatch(check.name)
    return (match[1], match[2]) if match else (check.name, None)


def by_subject(checks: list[Check]) -> dict[str | None, list[Check]]:
    """The checks of a group by what they are about, those of the whole (None) first, then in the order of their first."""
    result: dict[str | None, list[Check]] = {None: []}
    for check in checks:
        result.setdefault(split_name(check)[1], []).append(check)
    return {subject: about for subject, about in result.items() if about}


def mark_of(check: Check) -> str:
    """How a check ended, in one word."""
    return _MARKS[check.status]


def say_found(check: Check) -> str:
    """What a check found: of an absence what is absent; of one that does not hold its code and what was expected.

    Who attests an absence is said once, under what is not proven.
    """
    expected = (check.expected or "").removesuffix(f" [{split_name(check)[1]}]")
    if check.status is Status.PASS:
        return check.found or ""
    if check.status in (Status.PROVEN, Status.ATTESTED):
        return expected or check.found or ""
    parts = (check.code, f"expected {expected}" if expected else "", f"found {check.found}" if check.found else "")
    return "; ".join(part for part in parts if part)


def gather_not_proven(report: Report) -> list[tuple[str, list[str]]]:
    """What is not proven, each with the absences that it is about: all that the same gate attests of the same action."""
    attested = {not_proven_line(check): check for check in report.checks if check.status is Status.ATTESTED}
    lines: dict[str, list[str]] = {}
    for line in report.not_proven:
        check = attested.get(line)
        if check is None:
            lines[line] = []
        else:
            what, _, action = (check.expected or "").rpartition(" [")
            head = f"only {check.found}, not proven from the whole log, for {action.removesuffix(']')}"
            lines.setdefault(head, []).append(what)
    return list(lines.items())


class Shortener:
    """Each DID in full where it first stands, then as its first 16 characters, or as many as tell it from the others."""

    def __init__(self, report: Report) -> None:
        self._every = {did for text in _texts(report) for did in _DID.findall(text)}
        self._seen: set[str] = set()

    def __call__(self, text: str) -> str:
        """The text with the DIDs that stood before shortened."""
        return _DID.sub(self._show, text)

    def _show(self, match: re.Match[str]) -> str:
        did = match[0]
        if did not in self._seen:
            self._seen.add(did)
            return did
        alike = (n for n in range(16, len(did) + 1) if sum(other.startswith(did[:n]) for other in self._every) == 1)
        length = next(alike)
        return did[:length] + ("…" if length < len(did) else "")


def _texts(report: Report) -> Iterator[str]:
    yield report.reason
    for check in report.checks:
        yield check.expected or ""
        yield check.found or ""
    yield from report.not_proven


def _group(checks: list[Check], shorten: Shortener, *, columns: int, paint: Paint) -> list[str]:
    lines: list[str] = []
    names = max(width_of(clean(split_name(check)[0])) for check in checks) + 2
    for subject, about in by_subject(checks).items():
        indent = "  "
        if subject is not None:
            lines += _paragraph(clean(subject), columns)
            indent = "    "
        for check in about:
            lines += _check(check, shorten, indent=indent, names=names, columns=columns, paint=paint)
    return lines


def _check(check: Check, shorten: Shortener, *, indent: str, names: int, columns: int, paint: Paint) -> list[str]:
    """One check: mark, name, what was found; the latter below if a hash or key would have to be broken."""
    mark, name = mark_of(check), clean(split_name(check)[0])
    found = shorten(clean(say_found(check)))
    entry = "" if check.index is None else str(check.index)
    head = indent + paint(mark, _COLOURS[check.status]) + " " * (_MARK_COLUMNS - len(mark))
    head += f"{entry:>{_INDEX_COLUMNS}}  " + pad(name, names)
    used = len(indent) + _MARK_COLUMNS + max(_INDEX_COLUMNS, len(entry)) + 2 + names
    if fits(found, columns - used):
        first, *rest = wrap(found, columns - used)
        return [(head + first).rstrip(), *(" " * used + line for line in rest)]
    below = " " * (len(indent) + _MARK_COLUMNS)
    return [head.rstrip(), *(below + line for line in wrap(found, columns - len(below)))]


def _paragraph(text: str, columns: int, *, first: str | None = None, rest: str = "  ") -> list[str]:
    lines = wrap(text, columns - len(rest))
    return [(first if number == 0 and first is not None else rest) + line for number, line in enumerate(lines)]
