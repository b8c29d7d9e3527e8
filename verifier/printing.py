"""What a command prints: a verdict, or the verdicts on a folder, as text for this terminal or as JSON."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from verifier.display import Paint, coloured, plain, to_json_line
from verifier.explain.step import Chapter
from verifier.explain.text import render_chapters
from verifier.outcome import Judged, Outcome
from verifier.output import can_show, complain, write_out
from verifier.reasons import REASONS
from verifier.report import Status
from verifier.text import DEFAULT_COLUMNS, render

if TYPE_CHECKING:
    from verifier.many_packs import Table


def print_verdict(options: Namespace, outcome: Outcome, judged: Judged | None, chapters: Sequence[Chapter] = ()) -> None:
    """The verdict and, if it was asked for, how it is computed. What cannot be judged is an error with a hint."""
    report, explained = outcome.report, getattr(options, "explain", False)
    if report.status is Status.ERROR:
        hint = REASONS[report.reason_code].next_step
        complain(f"{report.reason_code}: {report.reason}", hint)
    if options.json:
        also = {"explanation": [chapter.to_json() for chapter in chapters]} if explained else {}
        write_out(to_json_line(report.to_json() | also))
        return
    if report.status is not Status.ERROR:
        write_out(render(report, judged, columns=_columns(), paint=_paint()))
        if explained and chapters:
            write_out(render_chapters(chapters, paint=_paint(), can_show=can_show))


def print_table(options: Namespace, table: Table, judged: Judged) -> None:
    """The verdicts on a folder: a table, or one line of JSON a pack and a summary."""
    from verifier.many_packs import render_table  # noqa: PLC0415 - one pack does not need it

    if options.json:
        for row in table.rows:
            write_out(to_json_line(row.to_json()))
        write_out(to_json_line({"summary": table.summary()}))
    else:
        write_out(render_table(table, judged, columns=_columns(), paint=_paint()))


def _columns() -> int:
    """The terminal's width, or COLUMNS, or a width that suits a file."""
    return shutil.get_terminal_size((DEFAULT_COLUMNS, 24)).columns


def _paint() -> Paint:
    """Colour only on a terminal that wants it (no-color.org)."""
    wanted = (
        sys.stdout is not None
        and sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )
    return coloured if wanted else plain
