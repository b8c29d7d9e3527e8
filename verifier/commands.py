"""What each command reads and prints. What is written is written after the verdict, and the verdict alone decides the exit."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.display import Paint, clean, coloured, plain, to_json_line
from verifier.errors import Refused, Unusable, VerifierError
from verifier.explain.step import Chapter
from verifier.explain.text import render_chapters
from verifier.files import check_writable, read_file, read_trust, write_whole
from verifier.limits import MAX_FOREIGN_ENTRY_BYTES, MAX_LOG_PROOF_BYTES, MAX_NOTE_BYTES
from verifier.outcome import Background, Outcome
from verifier.progress import show_progress
from verifier.reasons import REASONS
from verifier.remembered import read_since, read_state, write_state
from verifier.report import Report, Status, error_report
from verifier.text import DEFAULT_COLUMNS, render
from verifier.times import NS, format_time, parse_judging_time
from verifier.trust import TrustPolicy

if TYPE_CHECKING:
    from verifier.many_packs import Table


def run(options: Namespace) -> int:
    """Run the chosen command and print its verdict; the exit code."""
    _accept_any_text()
    if options.command == "explain":
        return _explain(options)
    try:
        _check_options(options)
        at_ns = _judging_time(options)
        if options.command == "evidence" and Path(options.pack).is_dir():
            return _evidence_of_folder(options, at_ns=at_ns)
        outcome = _COMMANDS[options.command](options, at_ns=at_ns)
    except (Unusable, Refused) as error:  # a file, an argument or the trust policy: nothing can be judged
        outcome = Outcome(error_report(error.code, _sentence(error)))
        at_ns = None
    background = _background(options, outcome)
    _print(options, outcome.report, background.chapters)
    if options.report is not None and at_ns is not None:
        _write_report(options, outcome, background, at_ns=at_ns)
    return outcome.report.exit_code


def _accept_any_text() -> None:
    """A terminal that cannot show a character gets an escape, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _check_options(options: Namespace) -> None:
    if getattr(options, "explain_entry", None) is not None:
        options.explain = True
    if options.report is not None:
        check_writable(options.report, force=options.force)


def _sentence(error: VerifierError) -> str:
    parts = [error.detail]
    if error.expected:
        parts.append(f"expected {error.expected}")
    if error.found:
        parts.append(f"found {error.found}")
    return ", ".join(parts)


def _background(options: Namespace, outcome: Outcome) -> Background:
    """What was asked for besides the verdict. If it cannot be made, that is said, and the verdict stands."""
    if not _asks_background(options):
        return Background()
    try:
        return outcome.make_background()
    except Exception as error:  # noqa: BLE001 - a defect in what explains must not hide or change the verdict
        _complain(f"the verdict cannot be explained ({type(error).__name__})", "the verdict stands; please report the input")
        return Background()


def _asks_background(options: Namespace) -> bool:
    return options.report is not None or getattr(options, "explain", False)


def _print(options: Namespace, report: Report, chapters: Sequence[Chapter] = ()) -> None:
    explained = getattr(options, "explain", False)
    if report.status is Status.ERROR:
        hint = REASONS[report.reason_code].next_step
        _complain(f"{report.reason_code}: {report.reason}", hint)
    if options.json:
        also = {"explanation": [chapter.to_json() for chapter in chapters]} if explained else {}
        sys.stdout.write(to_json_line(report.to_json() | also))
        return
    if report.status is not Status.ERROR:
        sys.stdout.write(render(report, columns=_columns(), paint=_paint()))
        if explained and chapters:
            sys.stdout.write(render_chapters(chapters, paint=_paint()))


def _complain(error: str, hint: str) -> None:
    sys.stderr.write(f"error: {clean(error)}\nhint: {clean(hint)}\n")


def _columns() -> int:
    """The terminal's width, or COLUMNS, or a width that suits a file."""
    return shutil.get_terminal_size((DEFAULT_COLUMNS, 24)).columns


def _paint() -> Paint:
    """Colour only on a terminal that wants it (no-color.org)."""
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return coloured if wanted else plain


def _write_report(options: Namespace, outcome: Outcome, background: Background, *, at_ns: int) -> None:
    """Write the page on one verdict."""
    from verifier.html.page import render_page  # noqa: PLC0415 - only where it is asked for

    said = {"command": _repeat(options, at_ns), "judged_at": format_time(at_ns)}
    _write_page(options, render_page(outcome.report, outcome.trust, background, **said))


def _write_folder_report(options: Namespace, table: Table, trust: TrustPolicy, *, at_ns: int) -> None:
    """Write the page on a folder of packs."""
    from verifier.html.page import render_folder_page  # noqa: PLC0415

    said = {"command": _repeat(options, at_ns), "judged_at": format_time(at_ns)}
    _write_page(options, render_folder_page(table, trust, folder=options.pack, **said))


def _write_page(options: Namespace, page: str) -> None:
    """A page is written after judging; whether that works changes no verdict."""
    try:
        write_whole(options.report, page.encode("utf-8"))
    except Unusable as error:
        _complain(f"the report was not written: {_sentence(error)}", "the verdict stands; write it somewhere else")


def _repeat(options: Namespace, at_ns: int) -> str:
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
        words += ["--at", format_time(at_ns)]
    return shlex.join(words)


def _evidence(options: Namespace, *, at_ns: int) -> Outcome:
    from verifier.one_pack import judge_one  # noqa: PLC0415 - other commands do not need it

    return judge_one(options, at_ns=at_ns)


def _evidence_of_folder(options: Namespace, *, at_ns: int) -> int:
    from verifier.many_packs import Table, judge_folder, render_table  # noqa: PLC0415

    if options.explain:
        raise Unusable("PARAMETER_INVALID", "--explain", expected="one pack, not a folder")
    trust = read_trust(options.trust)
    found = judge_folder(options, trust, at_ns=at_ns)
    if not isinstance(found, Table):
        _print(options, found)
        if options.report is not None:
            _write_report(options, Outcome(found, trust), Background(), at_ns=at_ns)
        return found.exit_code
    if options.json:
        for row in found.rows:
            sys.stdout.write(to_json_line(row.to_json()))
        sys.stdout.write(to_json_line({"summary": found.summary()}))
    else:
        sys.stdout.write(render_table(found, columns=_columns(), paint=_paint()))
    if options.report is not None:
        _write_folder_report(options, found, trust, at_ns=at_ns)
    return found.exit_code


def _proof(options: Namespace, *, at_ns: int) -> Outcome:
    from verifier.explain.chapters import explain_log_proof  # noqa: PLC0415
    from verifier.proofs import check_log_proof  # noqa: PLC0415

    del at_ns
    trust = read_trust(options.trust)
    proof = read_file(options.proof, MAX_LOG_PROOF_BYTES)
    entry = read_file(options.entry, MAX_FOREIGN_ENTRY_BYTES)
    report = check_log_proof(proof, entry, trust)
    return Outcome(report, trust, lambda: explain_log_proof(proof, entry, trust))


def _consistency(options: Namespace, *, at_ns: int) -> Outcome:
    from verifier.explain.chapters import explain_two_checkpoints  # noqa: PLC0415
    from verifier.proofs import check_two_checkpoints, read_consistency_proof  # noqa: PLC0415
    from verifier.source import open_source  # noqa: PLC0415

    del at_ns
    trust = read_trust(options.trust)
    old, new = read_file(options.old, MAX_NOTE_BYTES), read_file(options.new, MAX_NOTE_BYTES)
    remembered = read_state(options.state, trust)
    proof: list[bytes] | None = None
    with closing(open_source(options.log)) as source:
        report = check_two_checkpoints(old, new, source, trust)
        if remembered is not None and report.status is Status.PASS:
            report = check_two_checkpoints(remembered, new, source, trust)
        if _asks_background(options):
            proof = read_consistency_proof(old, new, source, trust)
    if report.status is Status.PASS:
        write_state(options.state, new, trust)
    return Outcome(report, trust, lambda: explain_two_checkpoints(old, new, proof, trust))


def _log(options: Namespace, *, at_ns: int) -> Outcome:
    from verifier.explain.chapters import explain_log  # noqa: PLC0415
    from verifier.resume import ProgressFile  # noqa: PLC0415
    from verifier.source import open_source  # noqa: PLC0415
    from verifier.wholelog import Depth, check_log  # noqa: PLC0415
    from verifier.workers import choose_workers  # noqa: PLC0415

    if options.any_entries and (options.entries or options.deep):
        raise Unusable("PARAMETER_INVALID", "--any-entries", expected="neither --entries nor --deep with it")
    trust = read_trust(options.trust)
    since = [read_since(options.since, trust)] if options.since else []
    state = read_state(options.state, trust)
    with closing(open_source(options.log)) as source:
        report, note = check_log(
            source,
            trust,
            at_ns=at_ns,
            depth=Depth(entries=options.entries, deep=options.deep),
            earlier=[*since, *([state] if state is not None else [])],
            workers=choose_workers(options.workers),
            resume=ProgressFile(options.resume) if options.resume else None,
            on_progress=show_progress("entries", quiet=options.json),
        )
    if note is not None and report.status is Status.PASS:
        write_state(options.state, note, trust)
    return Outcome(report, trust) if note is None else Outcome(report, trust, lambda: explain_log(note, trust))


_COMMANDS = {"evidence": _evidence, "proof": _proof, "consistency": _consistency, "log": _log}


def _explain(options: Namespace) -> int:
    """One reason code, or all of them."""
    if options.code is None:
        return _explain_all(options)
    reason = REASONS.get(options.code)
    if reason is None:
        sentence = f"no reason code {options.code[:64]!r}"
        _complain(sentence, "codes are written LIKE_THIS; explain without a code lists them all")
        if options.json:
            sys.stdout.write(to_json_line(error_report("PARAMETER_INVALID", sentence).to_json()))
        return 2
    if options.json:
        sys.stdout.write(to_json_line({"code": options.code, **reason.to_json()}))
    else:
        sys.stdout.write(f"{options.code}: {reason.sentence}\nlikely cause: {reason.cause}\nnext step: {reason.next_step}\n")
    return 0


def _explain_all(options: Namespace) -> int:
    """Every code with its sentence; as JSON, one whole reason a line."""
    columns = max(len(code) for code in REASONS)
    for code, reason in sorted(REASONS.items()):
        if options.json:
            sys.stdout.write(to_json_line({"code": code, **reason.to_json()}))
        else:
            sys.stdout.write(f"{code:<{columns}}  {reason.sentence}\n")
    return 0


def _judging_time(options: Namespace) -> int:
    """The time of `--at`, or now, in whole seconds, so that a report can repeat it."""
    if getattr(options, "at", None) is None:
        return int(time.time()) * NS
    try:
        return parse_judging_time(options.at)
    except Refused as error:
        raise Unusable("PARAMETER_INVALID", "--at", expected=error.expected, found=options.at[:64]) from None
