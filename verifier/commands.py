"""What each command reads, and in which order: arguments, inputs, the verdict, and only then what is printed and written."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from contextlib import closing
from hashlib import sha256

from verifier.errors import Refused, Unusable
from verifier.explain_code import explain
from verifier.files import check_writable, is_same_file, read_file, read_trust
from verifier.limits import MAX_FOREIGN_ENTRY_BYTES, MAX_LOG_PROOF_BYTES, MAX_NOTE_BYTES
from verifier.outcome import Background, Judged, Outcome
from verifier.output import complain
from verifier.pages import write_folder_report, write_report
from verifier.printing import print_table, print_verdict
from verifier.progress import show_progress
from verifier.remembered import read_since, read_state, write_state
from verifier.report import Status, error_report
from verifier.times import NS, format_time, parse_judging_time
from verifier.trust import TrustPolicy

_INPUTS = ("pack", "proof", "entry", "old", "new", "trust", "since", "state", "resume")


def run(options: Namespace) -> int:
    """Run the chosen command and print its verdict; the exit code."""
    if options.command == "explain":
        return explain(options)
    try:
        _check_options(options)
        at_ns = _judging_time(options)
        if options.command == "evidence" and os.path.isdir(options.pack):  # noqa: PTH112 - never raises
            return _evidence_of_folder(options, at_ns=at_ns)
        outcome = _COMMANDS[options.command](options, at_ns=at_ns)
    except (Unusable, Refused) as error:  # a file, an argument or the trust policy: nothing can be judged
        outcome = Outcome(error_report(error.code, error.say()))
        print_verdict(options, outcome, None)
        return outcome.report.exit_code
    background, judged = _background(options, outcome), Judged(format_time(at_ns), outcome.files)
    print_verdict(options, outcome, judged, background.chapters)
    write_report(options, outcome, judged, background)
    return outcome.report.exit_code


def _check_options(options: Namespace) -> None:
    """Refuse at once what cannot be done afterwards. Raises Unusable."""
    if getattr(options, "explain_entry", None) is not None:
        options.explain = True
    if options.report is not None:
        check_writable(options.report, force=options.force)
        inputs = [value for name in _INPUTS if (value := getattr(options, name, None)) is not None]
        if any(is_same_file(options.report, value) for value in inputs):
            raise Unusable("PARAMETER_INVALID", options.report, expected="a file that is not read by this command")
    state = getattr(options, "state", None)
    if state is not None and options.log is None:
        raise Unusable("PARAMETER_INVALID", "--state", expected="--log with it: only a log's checkpoint is remembered")


def _background(options: Namespace, outcome: Outcome) -> Background:
    """What was asked for besides the verdict. If it cannot be made, that is said, and the verdict stands."""
    if not _asks_background(options):
        return Background()
    try:
        return outcome.make_background()
    except Exception as error:  # noqa: BLE001 - a defect in what explains must not hide or change the verdict
        complain(f"the verdict cannot be explained ({type(error).__name__})", "the verdict stands; please report the input")
        return Background()


def _asks_background(options: Namespace) -> bool:
    return options.report is not None or getattr(options, "explain", False)


def _evidence(options: Namespace, *, at_ns: int) -> Outcome:
    from verifier.one_pack import judge_one  # noqa: PLC0415 - other commands do not need it

    return judge_one(options, at_ns=at_ns)


def _evidence_of_folder(options: Namespace, *, at_ns: int) -> int:
    from verifier.many_packs import judge_folder  # noqa: PLC0415

    if options.explain:
        raise Unusable("PARAMETER_INVALID", "--explain", expected="one pack, not a folder")
    trust = read_trust(options.trust)
    found = judge_folder(options, trust, at_ns=at_ns)
    judged = Judged(format_time(at_ns), ((options.trust, trust.sha256),))
    print_table(options, found, judged)
    write_folder_report(options, found, trust, judged)
    return found.exit_code


def _name_files(trust_name: str, trust: TrustPolicy, *files: tuple[str, bytes]) -> tuple[tuple[str, str], ...]:
    """The files that a verdict is about, by their hashes."""
    return (*((name, sha256(data).hexdigest()) for name, data in files), (trust_name, trust.sha256))


def _proof(options: Namespace, *, at_ns: int) -> Outcome:
    from verifier.explain.chapters import explain_log_proof  # noqa: PLC0415
    from verifier.proofs import check_log_proof  # noqa: PLC0415

    del at_ns
    trust = read_trust(options.trust)
    proof = read_file(options.proof, MAX_LOG_PROOF_BYTES)
    entry = read_file(options.entry, MAX_FOREIGN_ENTRY_BYTES)
    report = check_log_proof(proof, entry, trust)
    files = _name_files(options.trust, trust, (options.proof, proof), (options.entry, entry))
    return Outcome(report, trust, lambda: explain_log_proof(proof, entry, trust), files)


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
    files = _name_files(options.trust, trust, (options.old, old), (options.new, new))
    return Outcome(report, trust, lambda: explain_two_checkpoints(old, new, proof, trust), files)


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
    files = _name_files(options.trust, trust)
    return Outcome(report, trust, lambda: explain_log(note, trust) if note is not None else Background(), files)


_COMMANDS = {"evidence": _evidence, "proof": _proof, "consistency": _consistency, "log": _log}


def _judging_time(options: Namespace) -> int:
    """The time of `--at`, or now, in whole seconds, so that a report can repeat it."""
    if getattr(options, "at", None) is None:
        return int(time.time()) * NS
    try:
        return parse_judging_time(options.at)
    except Refused as error:
        expected = f"{error.expected} (2026-06-01T12:00:00Z) or a date (2026-06-01)"
        raise Unusable("PARAMETER_INVALID", "--at", expected=expected, found=options.at[:64] or "nothing") from None
