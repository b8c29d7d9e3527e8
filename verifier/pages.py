"""The page of `--report`: written after judging, and whether that works changes no verdict."""

from __future__ import annotations

import shlex
from argparse import Namespace
from typing import TYPE_CHECKING

from verifier.errors import Unusable
from verifier.files import write_whole
from verifier.outcome import Background, Judged, Outcome
from verifier.output import complain
from verifier.trust import TrustPolicy

if TYPE_CHECKING:
    from verifier.many_packs import Table


def write_report(options: Namespace, outcome: Outcome, judged: Judged, background: Background) -> None:
    """Write the page on one verdict, if it was asked for."""
    if options.report is None:
        return
    from verifier.html.page import render_page  # noqa: PLC0415 - only where it is asked for

    command = _repeat(options, judged)
    _write_page(options, render_page(outcome.report, outcome.trust, background, command=command, judged=judged))


def write_folder_report(options: Namespace, table: Table, trust: TrustPolicy, judged: Judged) -> None:
    """Write the page on a folder of packs, if it was asked for."""
    if options.report is None:
        return
    from verifier.html.page import render_folder_page  # noqa: PLC0415

    command = _repeat(options, judged)
    _write_page(options, render_folder_page(table, trust, folder=options.pack, command=command, judged=judged))


def _write_page(options: Namespace, page: str) -> None:
    """A page is written after judging; whether that works changes no verdict."""
    try:
        write_whole(options.report, page.encode("utf-8"))
    except Unusable as error:
        complain(f"the report was not written: {error.say()}", "the verdict stands; write it somewhere else")


def _repeat(options: Namespace, judged: Judged) -> str:
    """The command that judges the same again: at the same time, without what concerns this run's output."""
    words, skip = ["trustlog-verify"], False
    for word in options.given:
        if skip or word in ("--json", "--force"):
            skip = False
        elif word in ("--report", "--at", "--resume"):
            skip = True
        elif not word.startswith(("--report=", "--at=", "--resume=")):
            words.append(word)
    if hasattr(options, "at"):
        words += ["--at", judged.at]
    return shlex.join(words)
