"""`evidence DIR`: every pack of a folder, the whole log read once for all of them, and one line a pack."""

from __future__ import annotations

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from verifier.change.judge import Beside
from verifier.display import Colour, Paint, clean, pad, plain, width_of, wrap
from verifier.errors import Refused, Unusable
from verifier.files import read_file
from verifier.limits import MAX_PACK_BYTES
from verifier.one_pack import add_wanted, judge_bytes, read_log
from verifier.outcome import Judged
from verifier.pack import parse_pack
from verifier.progress import show_progress
from verifier.remembered import write_state
from verifier.report import EXIT_CODES, Report, Status, error_report, not_proven_line
from verifier.text import plural, say_judged
from verifier.trust import TrustPolicy
from verifier.wanted import Wanted

PATTERN = "*.evidence.json"
SEVERITY = (Status.FAIL, Status.ERROR, Status.UNDECIDED, Status.PASS)  # worst first


@dataclass(frozen=True, slots=True)
class Row:
    """One pack: its file's name, the ticket that it says it is about (None if it cannot be read), its verdict."""

    file: str
    ticket: str | None
    report: Report

    def to_json(self) -> dict[str, object]:
        """File, ticket, and the verdict's members."""
        return {"file": self.file, "ticket": self.ticket, **self.report.to_json()}


@dataclass(frozen=True, slots=True)
class Table:
    """Every pack's verdict, in the order of file names. The exit code follows from these rows alone."""

    rows: tuple[Row, ...]

    @property
    def worst(self) -> Status:
        """The worst verdict: a lie before what cannot be judged before what is open before a pass.

        A single FAIL must not hide behind an unreadable file, nor an unreadable file behind an undecided one: neither
        says that the change is good, but only FAIL says that it is not.
        """
        found = {row.report.status for row in self.rows}
        return next(status for status in SEVERITY if status in found)

    @property
    def exit_code(self) -> int:
        """That of the worst verdict."""
        return EXIT_CODES[self.worst]

    def say_counts(self) -> str:
        """How many packs ended how, in one line, worst first."""
        counts = Counter(row.report.status for row in self.rows)
        said = ", ".join(f"{counts[status]} {status.value}" for status in SEVERITY if counts[status])
        return f"{plural(len(self.rows), 'pack')}: {said}"

    def summary(self) -> dict[str, object]:
        """How many packs ended how, and the exit code."""
        counts = Counter(row.report.status for row in self.rows)
        return {
            "packs": len(self.rows),
            **{status.value: counts[status] for status in reversed(SEVERITY)},
            "exit_code": self.exit_code,
        }


def judge_folder(options: Namespace, trust: TrustPolicy, *, at_ns: int) -> Table:
    """The verdicts on all packs of a folder.

    Raises Unusable INPUT_UNREADABLE for a folder without packs.
    """
    files = _packs_of(Path(options.pack))
    whole, note = read_log(options, trust, _gather(files, trust)) if options.log is not None else (None, None)
    progress, rows = show_progress("packs", quiet=options.json), []
    for number, path in enumerate(files, start=1):
        rows.append(_row(path, trust, options, at_ns=at_ns, whole=whole))
        if progress is not None:
            progress(number, len(files))
    table = Table(tuple(rows))
    if note is not None and all(row.report.status is not Status.FAIL for row in rows):
        write_state(options.state, note, trust)
    return table


def _packs_of(folder: Path) -> list[Path]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if fnmatchcase(entry.name, PATTERN) and not entry.is_dir())
    except OSError as error:
        raise Unusable("INPUT_UNREADABLE", str(folder), found=error.strerror) from None
    if not names:
        raise Unusable("INPUT_UNREADABLE", str(folder), expected=f"files named {PATTERN}")
    return [folder / name for name in names]


def _gather(files: Iterable[Path], trust: TrustPolicy) -> Wanted:
    wanted = Wanted()
    for path in files:
        try:
            add_wanted(wanted, _read(path), trust)
        except Unusable:
            continue  # said in its row
    return wanted


def _read(path: Path) -> bytes:
    """A pack that was not named by the auditor: a pipe would never be read to its end. Raises Unusable."""
    if os.path.lexists(path) and not os.path.isfile(path):  # noqa: PTH113 - never raises
        raise Unusable("INPUT_UNREADABLE", str(path), expected="a regular file")
    return read_file(str(path), MAX_PACK_BYTES, "PACK_TOO_LARGE")


def _row(path: Path, trust: TrustPolicy, options: Namespace, *, at_ns: int, whole: Beside | None) -> Row:
    try:
        data = _read(path)
    except Unusable as error:
        return Row(path.name, None, error_report(error.code, error.say(), trust_policy_sha256=trust.sha256))
    try:
        ticket = parse_pack(data).subject.ticket
    except Refused:
        ticket = None  # the report says why
    return Row(path.name, ticket, judge_bytes(data, trust, options, at_ns=at_ns, whole=whole))


_COLOURS = {Status.PASS: Colour.GOOD, Status.FAIL: Colour.BAD, Status.ERROR: Colour.BAD, Status.UNDECIDED: Colour.OPEN}
_VERDICT_COLUMNS = 9


def render_table(table: Table, judged: Judged | None = None, *, columns: int, paint: Paint = plain) -> str:
    """The summary, the table, and what is proven of none of these packs; ending in a newline.

    File names stand last: they may be of any length.
    """
    rows = [(row.report.reason_code, clean(row.ticket or "-"), clean(row.file), row.report.status) for row in table.rows]
    codes = max(len("first code"), *(len(code) for code, _, _, _ in rows))
    tickets = max(len("ticket"), *(width_of(ticket) for _, ticket, _, _ in rows))
    lines = [table.say_counts(), ""]
    lines.append(
        paint(f"{'verdict':<{_VERDICT_COLUMNS}}  {'first code':<{codes}}  {'ticket':<{tickets}}  file", Colour.HEADING)
    )
    for code, ticket, file, status in rows:
        verdict = paint(status.value, _COLOURS[status]) + " " * (_VERDICT_COLUMNS - len(status.value))
        lines.append(f"{verdict}  {code:<{codes}}  {pad(ticket, tickets)}  {file}")
    open_points = common_open_points(table.rows)
    if open_points:
        lines += ["", "not proven of any of them"]
    for line in open_points:
        first, *rest = wrap(clean(line), columns - 4)
        lines += [f"  - {first}", *(f"    {more}" for more in rest)]
    if judged is not None:
        lines += ["", *say_judged(judged, columns=columns, paint=paint)]
    return "\n".join(lines) + "\n"


def common_open_points(rows: Sequence[Row]) -> list[str]:
    """What is not proven of any pack that could be judged.

    Packs of which absences rest on a gate are counted, and those of which anything else is open.
    """
    judged = [row.report for row in rows if row.report.checks]
    if not judged:
        return []
    attested = sum(any(check.status is Status.ATTESTED for check in report.checks) for report in judged)
    own = {not_proven_line(check) for report in judged for check in report.checks if check.status is Status.ATTESTED}
    common = [
        line for line in judged[0].not_proven if line not in own and all(line in report.not_proven for report in judged)
    ]
    more = sum(any(line not in own and line not in common for line in report.not_proven) for report in judged)
    if more:
        common.append(f"something else: of {plural(more, 'pack')}; each verdict alone names it")
    if attested:
        common.insert(
            0, f"absences: of {plural(attested, 'pack')} they rest on a gate's word; each verdict alone names them"
        )
    return common
